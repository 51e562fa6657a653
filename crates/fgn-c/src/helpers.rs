//! Functions of rows and matrices, in C.

/// The name of each function, and its text. Those that are called are written, in this order.
pub(crate) const HELPERS: [(&str, &str); 7] = [
    (
        "add_product",
        "/* Adds the product of a matrix [rows, columns] and x to y. */
static void add_product(const float *matrix, size_t rows, size_t columns, const float *x, float *y) {
    for (size_t row = 0; row < rows; row++) {
        float sum = 0.0f;
        for (size_t column = 0; column < columns; column++) {
            sum += matrix[column] * x[column];
        }
        y[row] += sum;
        matrix += columns;
    }
}
",
    ),
    (
        "add_product_int8",
        "/* The same, of a matrix of whole numbers and a scale for each row. */
static void add_product_int8(const int8_t *matrix, const float *scale, size_t rows, size_t columns,
                             const float *x, float *y) {
    for (size_t row = 0; row < rows; row++) {
        float sum = 0.0f;
        for (size_t column = 0; column < columns; column++) {
            sum += (float)matrix[column] * x[column];
        }
        y[row] += scale[row] * sum;
        matrix += columns;
    }
}
",
    ),
    (
        "normalize_row",
        "/* Gives a row a mean of 0 and a variance of 1. */
static void normalize_row(float *row, size_t count) {
    float sum = 0.0f, squares = 0.0f, mean, scale;

    for (size_t index = 0; index < count; index++) {
        sum += row[index];
    }
    mean = sum / (float)count;
    for (size_t index = 0; index < count; index++) {
        row[index] -= mean;
        squares += row[index] * row[index];
    }
    scale = 1.0f / sqrtf(squares / (float)count + 1e-5f);
    for (size_t index = 0; index < count; index++) {
        row[index] *= scale;
    }
}
",
    ),
    (
        "scale_row",
        "/* Gives a row a mean square of 1. */
static void scale_row(float *row, size_t count) {
    float squares = 0.0f, scale;

    for (size_t index = 0; index < count; index++) {
        squares += row[index] * row[index];
    }
    scale = 1.0f / sqrtf(squares / (float)count + 1e-5f);
    for (size_t index = 0; index < count; index++) {
        row[index] *= scale;
    }
}
",
    ),
    (
        "add_row",
        "/* Adds a row to y. */
static void add_row(const float *row, size_t count, float *y) {
    for (size_t index = 0; index < count; index++) {
        y[index] += row[index];
    }
}
",
    ),
    (
        "add_constant",
        "/* Adds a number to each entry of a row. */
static void add_constant(float number, size_t count, float *row) {
    for (size_t index = 0; index < count; index++) {
        row[index] += number;
    }
}
",
    ),
    (
        "log_sum_exp",
        "/* The logarithm of the sum of the exponentials of a row. */
static float log_sum_exp(const float *row, size_t count) {
    float largest = row[0], sum = 0.0f;

    for (size_t index = 1; index < count; index++) {
        largest = row[index] > largest ? row[index] : largest;
    }
    for (size_t index = 0; index < count; index++) {
        sum += expf(row[index] - largest);
    }
    return largest + logf(sum);
}
",
    ),
];

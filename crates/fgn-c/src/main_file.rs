//! `main.c`: an example program.

use crate::code::string;
use crate::head::Kind;
use crate::network::{Input, Network};

const TEMPLATE: &str = include_str!("templates/main.c");

const READ_NUMBERS: &str = "\
/* The next step. Returns -1 for a number that is not in the range of float. */
static int run_step(@name@_state *state, const double *cells) {
    static float input[COLUMNS], output[@NAME@_OUTPUTS];
    size_t index;

    for (index = 0; index < COLUMNS; index++) {
        if (!(fabs(cells[index]) <= (double)FLT_MAX)) {
            return -1;
        }
        input[index] = (float)cells[index];
    }
    @name@_step(state, input, output);
    print_row(output);
    return 0;
}
";

const READ_TOKEN: &str = "\
/* The next step. Returns -1 for a number that is not a token. */
static int run_step(@name@_state *state, const double *cells) {
    static float output[@NAME@_OUTPUTS];

    if (!(cells[0] >= 0.0 && cells[0] < (double)@NAME@_VOCABULARY) || floor(cells[0]) != cells[0]) {
        return -1;
    }
    if (@name@_step(state, (uint32_t)cells[0], output) != 0) {
        return -1;
    }
    print_row(output);
    return 0;
}
";

const PRINT_TEXT: &str = "\
/* A name as a cell: in quotes where it needs them. */
static void print_text(const char *text) {
    if (text[strcspn(text, \",\\\"\\r\\n\")] == '\\0') {
        fputs(text, stdout);
        return;
    }
    putchar('\"');
    for (; *text != '\\0'; text++) {
        if (*text == '\"') {
            putchar('\"');
        }
        putchar(*text);
    }
    putchar('\"');
}
";

const PRINT_CLASSES: &str = "\
static void print_names(void) {
    size_t index;

    fputs(\"class\", stdout);
    for (index = 0; index < @NAME@_OUTPUTS; index++) {
        putchar(',');
        print_text(@name@_class_names[index]);
    }
    putchar('\\n');
}

/* The name of the most probable class, and the probability of each. */
static void print_row(const float *output) {
    static float probabilities[@NAME@_OUTPUTS];
    size_t index;

    @name@_softmax(output, probabilities);
    print_text(@name@_class_names[@name@_argmax(output)]);
    for (index = 0; index < @NAME@_OUTPUTS; index++) {
        printf(\",%.9g\", (double)probabilities[index]);
    }
    putchar('\\n');
}
";

const PRINT_VALUES: &str = "\
static const char *const value_names[@NAME@_OUTPUTS] = {
@names@};

static void print_names(void) {
    size_t index;

    for (index = 0; index < @NAME@_OUTPUTS; index++) {
        if (index > 0) {
            putchar(',');
        }
        print_text(value_names[index]);
    }
    putchar('\\n');
}

static void print_row(const float *output) {
    size_t index;

    for (index = 0; index < @NAME@_OUTPUTS; index++) {
        printf(index > 0 ? \",%.9g\" : \"%.9g\", (double)output[index]);
    }
    putchar('\\n');
}
";

const PRINT_TOKEN: &str = "\
static void print_names(void) {
    puts(\"token,probability\");
}

/* The most probable token. */
static void print_row(const float *output) {
    static float probabilities[@NAME@_OUTPUTS];
    const size_t token = @name@_argmax(output);

    @name@_softmax(output, probabilities);
    printf(\"%lu,%.9g\\n\", (unsigned long)token, (double)probabilities[token]);
}
";

const PRINT_ITEM: &str = "\
static void print_names(void) {
    puts(\"item,name,score\");
}

/* The best next item. */
static void print_row(const float *output) {
    const size_t item = @name@_argmax(output);

    printf(\"%lu,\", (unsigned long)item);
    print_text(@name@_item_names[item]);
    printf(\",%.9g\\n\", (double)output[item]);
}
";

/// Writes the program for a model called `name`.
pub(crate) fn write(network: &Network, name: &str) -> String {
    let (read, columns, range) = match &network.input {
        Input::Embedding(_) => (READ_TOKEN, 1, "a number that is not a token of the vocabulary"),
        Input::Series { features, .. } => (READ_NUMBERS, *features, OUT_OF_RANGE),
        Input::Image(image) => {
            let numbers = image.height * image.width * image.channels / image.steps;
            (READ_NUMBERS, numbers, OUT_OF_RANGE)
        }
    };
    let (print, names) = match &network.head.kind {
        Kind::Classes { .. } => (format!("{PRINT_TEXT}\n{PRINT_CLASSES}"), &[][..]),
        Kind::Values { names, .. } => (format!("{PRINT_TEXT}\n{PRINT_VALUES}"), &names[..]),
        Kind::Tokens | Kind::Labels => (PRINT_TOKEN.to_owned(), &[][..]),
        Kind::Items { .. } => (format!("{PRINT_TEXT}\n{PRINT_ITEM}"), &[][..]),
    };
    let names: String = names.iter().map(|name| format!("    {},\n", string(name))).collect();
    let text = TEMPLATE
        .replace("@print@", &format!("{print}\n{read}"))
        .replace("@columns@", &columns.to_string())
        .replace("@range@", range)
        .replace("@name@", name)
        .replace("@NAME@", &name.to_ascii_uppercase());
    // Names come from data, so nothing is replaced in them.
    text.replace("@names@", &names)
}

const OUT_OF_RANGE: &str = "a number out of the range of float";

/*
 * Runs the model over the rows of a table in CSV, a row for each step:
 *
 *     cc -O2 -o @name@ main.c @name@.c -lm
 *     ./@name@ rows.csv
 *
 * Without a file it reads standard input. The first line may hold names of columns. A blank line
 * begins a new sequence. The outputs of each step are printed as CSV.
 */
#include "@name@.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = @columns@, LINE_BYTES = 256 + 32 * COLUMNS };

@print@
/* Splits a row at its commas. Returns how many cells there are, and how many of them are numbers. */
static size_t read_cells(char *text, double *cells, size_t *numbers) {
    size_t count = 0;

    *numbers = 0;
    for (;;) {
        char *comma = strchr(text, ',');
        char *end;
        double value;
        if (comma != NULL) {
            *comma = '\0';
        }
        value = strtod(text, &end);
        if (end != text && end[strspn(end, " \t")] == '\0') {
            *numbers += 1;
            if (count < COLUMNS) {
                cells[count] = value;
            }
        }
        count += 1;
        if (comma == NULL) {
            return count;
        }
        text = comma + 1;
    }
}

static int fail(size_t line, const char *found) {
    fprintf(stderr, "line %lu: %s, expected %d %s\n", (unsigned long)line, found, (int)COLUMNS,
            COLUMNS == 1 ? "number" : "numbers separated by commas");
    return 1;
}

int main(int argc, char **argv) {
    static char line[LINE_BYTES];
    static double cells[COLUMNS];
    static @name@_state state;
    FILE *file = stdin;
    size_t number = 0;

    if (argc > 2) {
        fprintf(stderr, "usage: %s [FILE.csv]\n", argv[0]);
        return 2;
    }
    if (argc == 2) {
        file = fopen(argv[1], "r");
        if (file == NULL) {
            perror(argv[1]);
            return 1;
        }
    }
    @name@_reset(&state);
    print_names();
    while (fgets(line, LINE_BYTES, file) != NULL) {
        char *text = line;
        size_t length = strlen(line), count, numbers;
        number += 1;
        if (length + 1 == LINE_BYTES && line[length - 1] != '\n') {
            return fail(number, "a line that is too long");
        }
        line[strcspn(line, "\r\n")] = '\0';
        if (number == 1 && strncmp(line, "\357\273\277", 3) == 0) {
            text += 3; /* a byte order mark */
        }
        if (text[strspn(text, " \t")] == '\0') {
            @name@_reset(&state);
            putchar('\n');
            continue;
        }
        count = read_cells(text, cells, &numbers);
        if (number == 1 && numbers == 0) {
            continue; /* names of columns */
        }
        if (count != COLUMNS) {
            return fail(number, "another number of cells");
        }
        if (numbers != count) {
            return fail(number, "a cell that is not a number");
        }
        if (run_step(&state, cells) != 0) {
            return fail(number, "@range@");
        }
    }
    if (ferror(file)) {
        perror("cannot read the table");
        return 1;
    }
    return 0;
}

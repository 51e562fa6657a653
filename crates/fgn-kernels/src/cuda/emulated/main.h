/* The process that plays a device: reads what it is to do, and answers where something is asked. */

typedef void Kernel(Run);
static const struct { const char *name; Kernel *kernel; } KERNELS[] = {
    {"fgn_reorder", fgn_reorder},
    {"fgn_begin", fgn_begin},
    {"fgn_forward", fgn_forward},
    {"fgn_backward", fgn_backward},
    {"fgn_scan_forward", fgn_scan_forward},
    {"fgn_scan_backward", fgn_scan_backward},
    {"fgn_project", fgn_project},
    {"fgn_project_back", fgn_project_back},
    {"fgn_end", fgn_end},
    {"fgn_add_sums", fgn_add_sums},
    {"fgn_forward_rows", fgn_forward_rows},
    {"fgn_backward_rows", fgn_backward_rows},
#if FGN_HIDDEN_BLOCKS > 0
    {"fgn_persistent_forward", fgn_persistent_forward},
    {"fgn_persistent_backward", fgn_persistent_backward},
#endif
};

static void take(void *to, size_t bytes) {
    if (bytes && fread(to, 1, bytes, stdin) != bytes) exit(2);
}

enum { STACK = 1 << 16 };
static Kernel *running;
static Run run;

static void begin(void) {
    running(run);
    now->done = 1;
}

/* Blocks whose threads meet: all at once where the launch is cooperative, else one after the other. */
static void together(int shared, int first, int blocks) {
    const int threads = blockDim.x, warps = threads / 32 + 1;
    Thread *all = calloc((size_t)blocks * threads, sizeof *all);
    unsigned char *stacks = malloc((size_t)blocks * threads * STACK);
    Block *block = calloc(blocks, sizeof *block);
    Warp *warp = calloc((size_t)blocks * warps, sizeof *warp);
    for (int n = 0; n < blocks * threads; n++) {
        const int b = n / threads, w = b * warps + n % threads / 32;
        if (!block[b].memory) block[b].memory = malloc(shared);
        block[b].all.threads = threads;
        warp[w].all.threads = 32;
        all[n].thread.x = n % threads;
        all[n].at.x = (first + b) % gridDim.x;
        all[n].at.y = (first + b) / gridDim.x;
        all[n].block = block + b;
        all[n].warp = warp + w;
        getcontext(&all[n].context);
        all[n].context.uc_stack.ss_sp = stacks + (size_t)n * STACK;
        all[n].context.uc_stack.ss_size = STACK;
        all[n].context.uc_link = &turns;
        makecontext(&all[n].context, begin, 0);
    }
    for (int going = 1; going;) {
        going = 0;
        for (int n = 0; n < blocks * threads; n++) {
            now = all + n;
            if (!now->done) swapcontext(&turns, &now->context);
            going += !all[n].done;
        }
    }
    for (int n = 0; n < blocks; n++) free(block[n].memory);
    free(all), free(stacks), free(block), free(warp);
}

static void launch(void) {
    char name[32];
    int64_t sizes[5]; /* grid, threads, bytes of shared memory, whether cooperative */
    take(name, sizeof name);
    take(sizes, sizeof sizes);
    take(&run, sizeof run);
    running = NULL;
    for (size_t n = 0; n < sizeof KERNELS / sizeof *KERNELS; n++) {
        if (!strcmp(KERNELS[n].name, name)) running = KERNELS[n].kernel;
    }
    if (!running) exit(4);
    gridDim = (Place){(unsigned)sizes[0], (unsigned)sizes[1]};
    blockDim = (Place){(unsigned)sizes[2], 1};
    const int blocks = (int)(sizes[0] * sizes[1]);
    if (sizes[4]) {
        together((int)sizes[3], 0, blocks);
    } else if (sizes[3]) {
        for (int n = 0; n < blocks; n++) together((int)sizes[3], n, 1);
    } else {
        for (int n = 0; n < blocks * (int)sizes[2]; n++) {
            Thread alone = {0};
            alone.thread.x = n % sizes[2];
            alone.at.x = n / sizes[2] % gridDim.x;
            now = &alone;
            running(run);
        }
    }
}

typedef struct { int64_t address, stride, transposed, wide; } Matrix;

static integer place_in(const Matrix *of, integer row, integer column) {
    return of->transposed ? column * of->stride + row : row * of->stride + column;
}

static real number_at(const Matrix *of, integer row, integer column) {
    const integer place = place_in(of, row, column);
    return of->wide ? ((const real *)of->address)[place] : load((const elem *)of->address + place);
}

static void product(void) {
    int64_t sizes[3], add;
    Matrix a, b, c;
    take(sizes, sizeof sizes);
    take(&a, sizeof a);
    take(&b, sizeof b);
    take(&c, sizeof c);
    take(&add, sizeof add);
    for (integer row = 0; row < sizes[0]; row++) {
        for (integer column = 0; column < sizes[1]; column++) {
            real sum = add ? number_at(&c, row, column) : (real)0;
            for (integer k = 0; k < sizes[2]; k++) {
                sum += number_at(&a, row, k) * number_at(&b, k, column);
            }
            const integer place = place_in(&c, row, column);
            if (c.wide) ((real *)c.address)[place] = sum;
            else store((elem *)c.address + place, sum);
        }
    }
}

int main(void) {
    for (int what = getchar(); what != EOF; what = getchar()) {
        int64_t given[2];
        if (what == 'p') {
            product();
        } else if (what == 'l') {
            launch();
        } else {
            take(given, sizeof given); /* address, bytes */
        }
        if (what == 'a') {
            void *memory = calloc(given[1] + 1, 1);
            fwrite(&memory, sizeof memory, 1, stdout);
        }
        if (what == 'f') free((void *)given[0]);
        if (what == 'w') take((void *)given[0], given[1]);
        if (what == 'r') fwrite((void *)given[0], 1, given[1], stdout);
        if (what == 'a' || what == 'r') fflush(stdout);
    }
    return 0;
}

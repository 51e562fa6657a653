/* All steps in one launch: each block keeps the recurrent weights of FGN_UNITS_EACH units in shared memory
   from the first step to the last, and the blocks of a group of sequences meet once a step. Blocks are
   (units, groups); all of them are on the device at once, as a cooperative launch promises. */

#if FGN_HIDDEN_BLOCKS > 0

/* Waits until all blocks of the group came here for the `round`th time. */
FGN_FUNCTION void meet(unsigned *arrived, unsigned round) {
    __syncthreads();
    if (threadIdx.x == 0) {
        __threadfence();
        atomicAdd(arrived, 1u);
        while (*(volatile unsigned *)arrived < round * gridDim.x) FGN_PAUSE;
        __threadfence();
    }
    __syncthreads();
}

#ifdef FGN_BF16
#define FGN_PARTS ((int)blockDim.x / 32)

/* Adds the product of a 16 × 16 tile and an 16 × 8 tile, each spread over the registers of 32 threads. */
FGN_FUNCTION void multiply_tiles(real sums[4], const unsigned a[4], const unsigned b[2]) {
#ifdef __CUDACC__
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
                 "{%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    fgn_host_multiply_tiles(sums, a, b);
#endif
}

/* parts[p][row][column]: the product of `rows` rows of `a`, of `depth` numbers each, and `columns` columns
   of weights[column][depth], each thread group's part of the sum apart. */
FGN_FUNCTION void multiply(const elem *a, integer stride, int rows, int depth, const elem *weights,
                           int columns, elem *staged, real *parts) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, row = lane / 4, pair = 2 * (lane % 4);
    real sums[FGN_HIDDEN_BLOCKS][4];
    (void)staged;
    FGN_UNROLL for (int n = 0; n < FGN_HIDDEN_BLOCKS; n++) {
        FGN_UNROLL for (int i = 0; i < 4; i++) sums[n][i] = 0.0f;
    }
    for (int k = 16 * warp; k < depth; k += 16 * FGN_PARTS) {
        unsigned left[4];
        FGN_UNROLL for (int i = 0; i < 4; i++) {
            const int here = row + 8 * (i % 2);
            const elem *from = a + here * stride + k + pair + 8 * (i / 2);
            left[i] = here < rows ? FGN_FRESH((const unsigned *)from) : 0u;
        }
        FGN_UNROLL for (int n = 0; n < FGN_HIDDEN_BLOCKS; n++) {
            if (8 * n < columns) {
                const elem *from = weights + (8 * n + row) * (depth + FGN_PAD) + k + pair;
                const unsigned right[2] = {*(const unsigned *)from, *(const unsigned *)(from + 8)};
                multiply_tiles(sums[n], left, right);
            }
        }
    }
    FGN_UNROLL for (int n = 0; n < FGN_HIDDEN_BLOCKS; n++) {
        if (8 * n < columns) {
            real *to = parts + (warp * FGN_ROWS + row) * columns + 8 * n + pair;
            to[0] = sums[n][0];
            to[1] = sums[n][1];
            to[8 * columns] = sums[n][2];
            to[8 * columns + 1] = sums[n][3];
        }
    }
    __syncthreads();
}
#else
/* Threads have 4 × 4 sums each; those that have the same share the depth. */
#define FGN_PARTS_OF(columns) ((int)blockDim.x / ((columns) / 4 * (FGN_ROWS / 4)))

FGN_FUNCTION void multiply(const elem *a, integer stride, int rows, int depth, const elem *weights,
                           int columns, elem *staged, real *parts) {
    const int tiles = columns / 4 * (FGN_ROWS / 4), part = threadIdx.x / tiles;
    const int first_row = threadIdx.x % (FGN_ROWS / 4) * 4;
    const int first_column = threadIdx.x % tiles / (FGN_ROWS / 4) * 4;
    const int working = part < FGN_PARTS_OF(columns);
    real sums[4][4];
    FGN_UNROLL for (int i = 0; i < 16; i++) sums[i / 4][i % 4] = (real)0;
    for (int start = 0; start < depth; start += FGN_DEPTH) {
        const int here = depth - start < FGN_DEPTH ? depth - start : FGN_DEPTH;
        for (int n = threadIdx.x; n < FGN_ROWS * here; n += blockDim.x) {
            const int row = n / here, k = n % here;
            staged[row * (FGN_DEPTH + 1) + k] =
                row < rows ? FGN_FRESH(a + row * stride + start + k) : (elem)0;
        }
        __syncthreads();
        for (int k = part; working && k < here; k += FGN_PARTS_OF(columns)) {
            real left[4], right[4];
            FGN_UNROLL for (int i = 0; i < 4; i++) {
                left[i] = staged[(first_row + i) * (FGN_DEPTH + 1) + k];
                right[i] = weights[(first_column + i) * (depth + FGN_PAD) + start + k];
            }
            FGN_UNROLL for (int i = 0; i < 16; i++) sums[i / 4][i % 4] += left[i / 4] * right[i % 4];
        }
        __syncthreads();
    }
    for (int i = 0; working && i < 16; i++) {
        parts[(part * FGN_ROWS + first_row + i / 4) * columns + first_column + i % 4] =
            sums[i / 4][i % 4];
    }
    __syncthreads();
}
#endif

#ifdef FGN_BF16
#define FGN_PARTS_FOR(columns) FGN_PARTS
#else
#define FGN_PARTS_FOR(columns) FGN_PARTS_OF(columns)
#endif

FGN_FUNCTION real sum_of_parts(const real *parts, int columns, int row, int column) {
    real sum = (real)0;
    for (int p = 0; p < FGN_PARTS_FOR(columns); p++) {
        sum += parts[(p * FGN_ROWS + row) * columns + column];
    }
    return sum;
}

/* A block's shared memory: weights, staged rows, parts of sums. `depth` is what is summed over. */
typedef struct { elem *weights, *staged; real *parts; } Kept;

FGN_FUNCTION Kept kept(real *shared, int columns, int depth) {
    Kept of;
    of.parts = shared;
    of.weights = (elem *)(shared + FGN_PARTS_FOR(columns) * FGN_ROWS * columns);
    of.staged = of.weights + columns * (depth + FGN_PAD);
    return of;
}

FGN_KERNEL void fgn_persistent_forward(Run run) {
    const Run *r = &run;
    FGN_SHARED(real, memory);
    const int hidden = (int)r->hidden, columns = FGN_HIDDEN_BLOCKS * FGN_UNITS_EACH;
    const int first_unit = blockIdx.x * FGN_UNITS_EACH, first = blockIdx.y * (int)r->block_rows;
    const int end = first + r->block_rows < r->batch ? first + (int)r->block_rows : (int)r->batch;
    const Kept of = kept(memory, columns, hidden);
    /* Column j * FGN_UNITS_EACH + u is unit u of hidden block j. */
    for (int n = threadIdx.x; n < columns * hidden; n += blockDim.x) {
        const int column = n / hidden, k = n % hidden;
        const integer row = (integer)(column / FGN_UNITS_EACH) * hidden + first_unit + column % FGN_UNITS_EACH;
        of.weights[column * (hidden + FGN_PAD) + k] = r->weights[r->weight_hidden + row * hidden + k];
    }
    __syncthreads();
    for (int k = 0; k < r->steps; k++) {
        const elem *fed = r->fed + (integer)(k % r->fed_slots) * r->batch * hidden;
        for (int row = first; row < end; row += FGN_ROWS) {
            const int rows = end - row < FGN_ROWS ? end - row : FGN_ROWS;
            multiply(fed + (integer)row * hidden, hidden, rows, hidden, of.weights, columns, of.staged, of.parts);
            for (int n = threadIdx.x; n < rows * FGN_UNITS_EACH; n += blockDim.x) {
                const int u = n % FGN_UNITS_EACH, b = row + n / FGN_UNITS_EACH, unit = first_unit + u;
                FGN_UNROLL for (int g = 0; g < FGN_BLOCKS; g++) {
                    if (hidden_place(g) >= 0) {
                        *pre_at(r, k, b, g, unit) += sum_of_parts(
                            of.parts, columns, n / FGN_UNITS_EACH, hidden_place(g) * FGN_UNITS_EACH + u);
                    }
                }
                forward_unit(r, k, b, unit);
            }
            __syncthreads();
        }
        meet(r->arrived + blockIdx.y, (unsigned)k + 1);
    }
}

FGN_KERNEL void fgn_persistent_backward(Run run) {
    const Run *r = &run;
    FGN_SHARED(real, memory);
    const int hidden = (int)r->hidden, depth = FGN_HIDDEN_BLOCKS * hidden;
    const int first_unit = blockIdx.x * FGN_UNITS_EACH, first = blockIdx.y * (int)r->block_rows;
    const int end = first + r->block_rows < r->batch ? first + (int)r->block_rows : (int)r->batch;
    const integer stride = (integer)FGN_BLOCKS * hidden;
    const Kept of = kept(memory, FGN_UNITS_EACH, depth);
    for (int n = threadIdx.x; n < FGN_UNITS_EACH * depth; n += blockDim.x) {
        const int u = n % FGN_UNITS_EACH, k = n / FGN_UNITS_EACH;
        of.weights[u * (depth + FGN_PAD) + k] =
            r->weights[r->weight_hidden + (integer)k * hidden + first_unit + u];
    }
    __syncthreads();
    /* The last round is for the states before the first step. */
    for (int k = (int)r->steps - 1; k >= -1; k--) {
        const elem *d_next = r->d_pre + (integer)(k + 1) * r->batch * stride +
                             (integer)(FGN_BLOCKS - FGN_HIDDEN_BLOCKS) * hidden;
        for (int row = first; row < end; row += FGN_ROWS) {
            const int rows = end - row < FGN_ROWS ? end - row : FGN_ROWS;
            if (k + 1 < r->steps) {
                multiply(d_next + row * stride, stride, rows, depth, of.weights, FGN_UNITS_EACH, of.staged,
                         of.parts);
            }
            for (int n = threadIdx.x; n < rows * FGN_UNITS_EACH; n += blockDim.x) {
                const int u = n % FGN_UNITS_EACH, b = row + n / FGN_UNITS_EACH, unit = first_unit + u;
                const real d_fed = k + 1 < r->steps ? sum_of_parts(of.parts, FGN_UNITS_EACH,
                                                                   n / FGN_UNITS_EACH, u)
                                                    : (real)0;
                if (k >= 0) back_unit(r, k, b, unit, d_fed);
                else r->d_fed[(integer)b * hidden + unit] = d_fed;
            }
            __syncthreads();
        }
        if (k >= 0) meet(r->arrived + blockIdx.y, (unsigned)(r->steps - k));
    }
}
#endif

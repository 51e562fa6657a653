/* A step with layer normalisation: a block of threads has all units of one sequence. */


/* The sum over the block's threads, the same for all of them. Threads are a power of two. */
FGN_FUNCTION real block_sum(real number) {
    FGN_SHARED(real, parts);
    const int thread = threadIdx.x;
    parts[thread] = number;
    __syncthreads();
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        if (thread < half) parts[thread] += parts[thread + half];
        __syncthreads();
    }
    const real sum = parts[0];
    __syncthreads();
    return sum;
}

#define FGN_UNITS for (int unit = threadIdx.x; unit < r->hidden; unit += blockDim.x)

/* Of a row of numbers, of which each thread reads those of its own units. */
FGN_FUNCTION Statistics statistics(const Run *r, const real *row) {
    Statistics of;
    real sum = (real)0;
    FGN_UNITS sum += row[unit];
    of.mean = block_sum(sum) / (real)r->hidden;
    sum = (real)0;
    FGN_UNITS sum += (row[unit] - of.mean) * (row[unit] - of.mean);
    of.scale = (real)1 / FGN_REAL(sqrt)(block_sum(sum) / (real)r->hidden + FGN_EPSILON);
    return of;
}

/* The gradient of a normalisation: of a row of its results' derivatives, the mean, and the mean of the
   part along the results themselves. */
typedef struct { real mean, along; } Removed;

FGN_FUNCTION Removed removed(const Run *r, real sum, real product) {
    Removed of;
    of.mean = block_sum(sum) / (real)r->hidden;
    of.along = block_sum(product) / (real)r->hidden;
    return of;
}

FGN_FUNCTION real through(const Statistics *of, Removed less, real d, real number) {
    return (d - less.mean - less.along * normal(of, number)) * of->scale;
}

/* The numbers of a row beside its products: for each block, then the memory, then one more. */
FGN_FUNCTION real *scratch_at(const Run *r, int b, int row) {
    return r->scratch + ((integer)b * (FGN_BLOCKS + 2) + row) * r->hidden;
}

/* The arguments of a unit's step, of which the memory may be seen normalised. */
FGN_FUNCTION void arguments_of(const Run *r, int k, int b, int unit, const Statistics *pre,
                               const Statistics *memory, At *at) {
    products_at(r, k, b, unit, at);
    complete(r, k, b, unit, r->normalise_pre ? pre : 0, at);
    if (memory) {
        at->normalized_memory = normal(memory, scratch_at(r, b, FGN_BLOCKS)[unit]) *
                       load(r->weights + r->memory_gain + unit) +
                   load(r->weights + r->memory_bias + unit);
    }
}

FGN_FUNCTION void pre_statistics(const Run *r, int k, int b, Statistics *of) {
    FGN_UNROLL for (int g = 0; g < FGN_BLOCKS; g++) {
        if (normalised(g)) of[g] = statistics(r, pre_at(r, k, b, g, 0));
    }
}

/* Leaves the memory of the row in scratch. */
FGN_FUNCTION Statistics memory_statistics(const Run *r, int k, int b, const Statistics *pre) {
#if FGN_MEMORY >= 0
    real *memory = scratch_at(r, b, FGN_BLOCKS);
    FGN_UNITS {
        At at;
        real output, next[FGN_STATES];
        arguments_of(r, k, b, unit, pre, 0, &at);
        cell_step(at.pre, at.prev, at.vectors, &at.normalized_memory, &output, next);
        memory[unit] = next[FGN_MEMORY];
    }
    return statistics(r, memory);
#else
    return pre[0];
#endif
}

FGN_KERNEL void fgn_forward_rows(Run run) {
    const Run *r = &run;
    const int k = (int)r->step, b = blockIdx.x;
    if (k >= length_of(r, b)) {
        FGN_UNITS idle_unit(r, k, b, unit);
        return;
    }
    Statistics pre[FGN_BLOCKS], memory;
    if (r->normalise_pre) pre_statistics(r, k, b, pre);
    if (r->normalise_memory) memory = memory_statistics(r, k, b, pre);
    FGN_UNITS {
        At at;
        arguments_of(r, k, b, unit, pre, r->normalise_memory ? &memory : 0, &at);
        step_unit(r, k, b, unit, &at, (int)r->normalise_memory);
    }
}

FGN_KERNEL void fgn_backward_rows(Run run) {
    const Run *r = &run;
    const int k = (int)r->step, b = blockIdx.x;
    if (k >= length_of(r, b)) {
        FGN_UNROLL for (int g = 0; g < FGN_BLOCKS; g++) {
            FGN_UNITS store(d_pre_at(r, k, b, g, unit), (real)0);
        }
        return;
    }
    Statistics pre[FGN_BLOCKS], memory;
    Removed less;
    real *memories = scratch_at(r, b, FGN_BLOCKS), *d_memories = scratch_at(r, b, FGN_BLOCKS + 1);
    if (r->normalise_pre) pre_statistics(r, k, b, pre);
    if (r->normalise_memory) {
        memory = memory_statistics(r, k, b, pre);
        real sum = (real)0, product = (real)0;
        FGN_UNITS {
            /* What is seen of the memory has a derivative of its own, without that by the next state. */
            At at, by;
            Results d;
            arguments_of(r, k, b, unit, pre, &memory, &at);
            results_of(r, k, b, unit, d_fed_of(r, b, unit), &d);
            gradient_of(&at, 1, &d, &by);
            const real number = normal(&memory, memories[unit]);
            add_to_sum(r, b, FGN_SUM_MEMORY_GAIN, unit, by.normalized_memory * number);
            add_to_sum(r, b, FGN_SUM_MEMORY_BIAS, unit, by.normalized_memory);
            d_memories[unit] = by.normalized_memory * load(r->weights + r->memory_gain + unit);
            sum += d_memories[unit];
            product += d_memories[unit] * number;
        }
        less = removed(r, sum, product);
    }
    FGN_UNITS {
        At at, by;
        Results d;
        arguments_of(r, k, b, unit, pre, r->normalise_memory ? &memory : 0, &at);
        results_of(r, k, b, unit, d_fed_of(r, b, unit), &d);
#if FGN_MEMORY >= 0
        if (r->normalise_memory) {
            d.next[FGN_MEMORY] += through(&memory, less, d_memories[unit], memories[unit]);
        }
#endif
        gradient_of(&at, (int)r->normalise_memory, &d, &by);
        hand_back(r, k, b, unit, &d, &by);
        FGN_UNROLL for (int g = 0; g < FGN_BLOCKS; g++) scratch_at(r, b, g)[unit] = by.pre[g];
    }
    FGN_UNROLL for (int g = 0; g < FGN_BLOCKS; g++) {
        const real *row = pre_at(r, k, b, g, 0);
        real *d_row = scratch_at(r, b, g), sum = (real)0, product = (real)0;
        const int here = r->normalise_pre && normalised(g);
        if (here) {
            FGN_UNITS {
                const real number = normal(pre + g, row[unit]), d = d_row[unit];
                add_to_sum(r, b, FGN_SUM_GAIN + g, unit, d * number);
                d_row[unit] = d * load(r->weights + r->gain[g] + unit);
                sum += d_row[unit];
                product += d_row[unit] * number;
            }
            less = removed(r, sum, product);
        }
        FGN_UNITS {
            const real d = d_row[unit];
            store(d_pre_at(r, k, b, g, unit), here ? through(pre + g, less, d, row[unit]) : d);
        }
    }
}

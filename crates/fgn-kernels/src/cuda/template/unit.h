/* One unit of one sequence at one step: the cell's equations, and what the options of a run make of its
   states. Everything here is done by the thread that has the unit.

   Buffers are in the order in which steps are taken: row k * batch + b is step k of sequence b. Only the
   caller's outputs, resets and inputs have an order of their own, which `place_of` gives. */

typedef long long integer;

#ifdef FGN_BF16
typedef unsigned short elem;
#else
typedef real elem;
#endif

#define FGN_PLACES(count) ((count) > 0 ? (count) : 1)

/* The arguments of every kernel: no place is smaller than 8 bytes, so that there are no gaps. */
typedef struct {
    /* T, B, I, H, and the size of the hidden state that is output and fed back: P or H. */
    integer steps, batch, input, hidden, output;
    /* The step of a launch. */
    integer step;
    /* How many steps' states, fed and unprojected hidden states there is memory for. */
    integer state_slots, fed_slots, hidden_slots;
    /* The options. emit: 0 all, 1 the last, 2 with states. */
    integer reverse, emit, normalise_pre, normalise_memory, project;
    /* Whether masks are drawn, from what, and below which of 2^32 numbers a unit is chosen. */
    integer masked, seed, zoneout_below[FGN_MAX_STATES], drop_below, drop_per_step;
    double zoneout[FGN_MAX_STATES], drop_scale, clip;
    /* Where the tensors of the packed parameters begin, -1 without one. */
    integer weight_hidden, bias_input[FGN_MAX_BLOCKS], bias_hidden[FGN_MAX_BLOCKS],
        gain[FGN_MAX_BLOCKS], vector[FGN_MAX_VECTORS], memory_gain, memory_bias;
    /* How many units and sequences a block of the persistent kernels has. */
    integer block_rows;

    const int *lengths;            /* [B], or null */
    const unsigned char *resets;   /* [T, B] at the caller's places, or null */
    const elem *weights;           /* the packed parameters */
    const real *initial;           /* [S, B, H] */
    real *pre;                     /* [T, B, blocks, H]: the products alone, without biases */
    real *states;                  /* [slots, S, B, H]: before step k at slot k */
    elem *fed;                     /* [slots, B, P]: what the recurrent weights see at step k */
    elem *unprojected;             /* [slots, B, H] */
    real *projected;               /* [B, P] */
    elem *outputs;
    double *counts;                /* [B, gates, 3, H], or null */
    real *scratch;                 /* [B, blocks + 2, H] */
    unsigned *arrived;             /* [groups]: blocks that came to the meeting */

    const elem *d_outputs;
    real *d_states;                /* [S, B, H] */
    real *d_fed;                   /* [B, P] */
    elem *d_pre;                   /* [T, B, blocks, H] */
    elem *d_projected;             /* [T, B, P] */
    real *d_unprojected;           /* [B, H] */
    real *sums;                    /* [B, FGN_SUMS, H]: a sequence's own, see FGN_SUM_… */
    elem *d_weights;

    const elem *from;              /* [T, B, width]: rows to put into another order */
    elem *to;
    integer width, inverse;
} Run;

#ifdef FGN_RUN_BYTES
/* Both sides have the same arguments. */
typedef char fgn_same_arguments[sizeof(Run) == FGN_RUN_BYTES ? 1 : -1];
#endif

/* What is summed over all steps: the derivatives by biases, vectors, gains, and those of the memory. */
#define FGN_SUM_VECTOR FGN_BLOCKS
#define FGN_SUM_GAIN (FGN_SUM_VECTOR + FGN_VECTORS)
#define FGN_SUM_MEMORY_GAIN (FGN_SUM_GAIN + FGN_BLOCKS)
#define FGN_SUM_MEMORY_BIAS (FGN_SUM_MEMORY_GAIN + 1)
#define FGN_SUMS (FGN_SUM_MEMORY_BIAS + 1)

#ifdef FGN_BF16
FGN_FUNCTION real load(const elem *from) {
    union { unsigned bits; float number; } both;
    both.bits = (unsigned)*from << 16;
    return both.number;
}
/* Rounded to the nearest, to even between two. */
FGN_FUNCTION void store(elem *to, real number) {
    union { unsigned bits; float number; } both;
    both.number = number;
    *to = number != number ? (elem)0x7fc0
                           : (elem)((both.bits + 0x7fffu + ((both.bits >> 16) & 1u)) >> 16);
}
#else
FGN_FUNCTION real load(const elem *from) { return *from; }
FGN_FUNCTION void store(elem *to, real number) { *to = number; }
#endif

FGN_FUNCTION integer length_of(const Run *r, int b) {
    return r->lengths ? r->lengths[b] : r->steps;
}

FGN_FUNCTION integer place_of(const Run *r, int k, int b) {
    const integer length = length_of(r, b);
    const integer t = r->reverse && k < length ? length - 1 - k : k;
    return t * r->batch + b;
}

FGN_FUNCTION int resets_at(const Run *r, int k, int b) {
    return r->resets && r->resets[place_of(r, k, b)];
}

FGN_FUNCTION unsigned long long mixed(unsigned long long x) {
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

/* The random numbers are those of the backend for the CPU. */
FGN_FUNCTION int chosen(const Run *r, int stream, int k, int b, int unit, integer below) {
    const unsigned long long row =
        mixed(mixed(mixed((unsigned long long)r->seed ^ stream) ^ k) ^ b);
    const unsigned first = (unsigned)row, second = (unsigned)(row >> 32);
    unsigned x = ((unsigned)unit * 0x9e3779b9u) ^ first;
    x = (x ^ (x >> 16)) * 0x7feb352du;
    x = (x ^ (x >> 15) ^ second) * 0x846ca68bu;
    x ^= x >> 16;
    return x < (unsigned)below;
}

/* How much of a state is the one before. */
FGN_FUNCTION real zone(const Run *r, int state, int k, int b, int unit) {
    if (!r->masked || r->zoneout[state] == 0.0) return (real)r->zoneout[state];
    return chosen(r, state, k, b, unit, r->zoneout_below[state]) ? (real)1 : (real)0;
}

/* What the hidden state before step k is multiplied by for the recurrent weights. */
FGN_FUNCTION real fed_by(const Run *r, int k, int b, int unit) {
    if (k >= length_of(r, b) || resets_at(r, k, b)) return (real)0;
    if (!r->masked || r->drop_below == 0) return (real)1;
    return chosen(r, FGN_MAX_STATES, r->drop_per_step ? k : 0, b, unit, r->drop_below) ? (real)0
                                                                          : (real)r->drop_scale;
}

FGN_FUNCTION real *state_at(const Run *r, integer k, int state, int b, int unit) {
    return r->states + (((k % r->state_slots) * FGN_STATES + state) * r->batch + b) * r->hidden + unit;
}

FGN_FUNCTION void feed(const Run *r, int k, int b, int unit, real hidden) {
#if FGN_HIDDEN_BLOCKS > 0
    if (k < r->steps) {
        const real by = fed_by(r, k, b, unit);
        store(r->fed + ((k % r->fed_slots) * r->batch + b) * r->output + unit,
              by == (real)0 ? by : by * hidden);
    }
#endif
}

/* Zoneout, then clipping; what is no number stays none. */
FGN_FUNCTION real handed_on(const Run *r, int state, int k, int b, int unit, real prev, real fresh) {
    const real kept = zone(r, state, k, b, unit), clip = (real)r->clip;
    real next = kept == (real)0 ? fresh : kept * prev + ((real)1 - kept) * fresh;
    if (r->clip > 0.0) next = fgn_max_or(-clip, fgn_min_or(clip, next));
    return next;
}

/* Given the derivative by what was handed on: that by the step's own state; `kept` is the one before's. */
FGN_FUNCTION real taken_back(const Run *r, int state, int k, int b, int unit, real d, real *kept) {
    const real next = *state_at(r, k + 1, state, b, unit), clip = (real)r->clip;
    if (r->clip > 0.0 && (next >= clip || -next >= clip)) d = (real)0;
    *kept = zone(r, state, k, b, unit) * d;
    return d - *kept;
}

/* Where among the outputs and their derivatives: with states, part 0 is the output. */
FGN_FUNCTION integer emitted_at(const Run *r, int k, int b, int part, int unit) {
    if (r->emit == 2) {
        return (place_of(r, k, b) * (1 + FGN_STATES) + part) * r->hidden + unit;
    }
    return (r->emit == 1 ? b : place_of(r, k, b)) * r->output + unit;
}

FGN_FUNCTION int emits(const Run *r, int k, int b) {
    return r->emit != 1 || k + 1 == length_of(r, b);
}

/* Writes a state after step k to its output. */
FGN_FUNCTION void emit_state(const Run *r, int k, int b, int state, int unit, real number) {
    if (r->emit == 2) store(r->outputs + emitted_at(r, k, b, 1 + state, unit), number);
    if (FGN_OUTPUT_IS_STATE && state == 0 && emits(r, k, b)) {
        store(r->outputs + emitted_at(r, k, b, 0, unit), number);
    }
}

FGN_FUNCTION real d_emitted(const Run *r, int k, int b, int part, int unit) {
    return emits(r, k, b) ? load(r->d_outputs + emitted_at(r, k, b, part, unit)) : (real)0;
}

/* Of one block of a normalised row. */
typedef struct { real mean, scale; } Statistics;

FGN_FUNCTION real normal(const Statistics *of, real number) { return (number - of->mean) * of->scale; }

/* The arguments of a step, of which `pre` holds the products; `of` is null without normalisation. */
typedef struct {
    real pre[FGN_BLOCKS], prev[FGN_STATES], vectors[FGN_PLACES(FGN_VECTORS)], normalized_memory;
} At;

FGN_FUNCTION void complete(const Run *r, int k, int b, int unit, const Statistics *of, At *at) {
    FGN_UNROLL for (int g = 0; g < FGN_BLOCKS; g++) {
        real pre = at->pre[g];
        if (of && normalised(g)) pre = normal(of + g, pre) * load(r->weights + r->gain[g] + unit);
        if (r->bias_input[g] >= 0) pre += load(r->weights + r->bias_input[g] + unit);
        if (r->bias_hidden[g] >= 0) pre += load(r->weights + r->bias_hidden[g] + unit);
        at->pre[g] = pre;
    }
    const int reset = resets_at(r, k, b);
    FGN_UNROLL for (int s = 0; s < FGN_STATES; s++) {
        at->prev[s] = reset ? (real)0 : *state_at(r, k, s, b, unit);
    }
    FGN_UNROLL for (int v = 0; v < FGN_VECTORS; v++) at->vectors[v] = load(r->weights + r->vector[v] + unit);
}

/* Products of step k. */
FGN_FUNCTION real *pre_at(const Run *r, int k, int b, int block, int unit) {
    const integer row = (integer)k * r->batch + b;
    return r->pre + (row * FGN_BLOCKS + column(block)) * r->hidden + unit;
}

FGN_FUNCTION void products_at(const Run *r, int k, int b, int unit, At *at) {
    FGN_UNROLL for (int g = 0; g < FGN_BLOCKS; g++) at->pre[g] = *pre_at(r, k, b, g, unit);
}

FGN_FUNCTION void count(const Run *r, int b, int unit, const At *at) {
    FGN_UNROLL for (int g = 0; g < FGN_BLOCKS; g++) {
        if (gate(g) >= 0) {
            double *sums = r->counts + ((integer)(b * FGN_GATES + gate(g)) * 3) * r->hidden + unit;
            const real value = fgn_sigmoid(at->pre[g]);
            sums[0] += (double)value;
            sums[r->hidden] += value < FGN_CLOSED ? 1.0 : 0.0;
            sums[2 * r->hidden] += value > FGN_OPEN ? 1.0 : 0.0;
        }
    }
}

/* The cell's step, and all that becomes of its results. */
FGN_FUNCTION void step_unit(const Run *r, int k, int b, int unit, const At *at, int normalized) {
    real output, next[FGN_STATES];
#if FGN_MEMORY >= 0
    if (normalized) cell_step_normalized(at->pre, at->prev, at->vectors, &at->normalized_memory, &output, next);
    else
#endif
        cell_step(at->pre, at->prev, at->vectors, &at->normalized_memory, &output, next);
    if (r->counts) count(r, b, unit, at);
    FGN_UNROLL for (int s = 0; s < FGN_STATES; s++) {
        if (s == 0 && r->project) {
            store(r->unprojected + ((k % r->hidden_slots) * r->batch + b) * r->hidden + unit, next[s]);
            continue;
        }
        const real number = handed_on(r, s, k, b, unit, at->prev[s], next[s]);
        *state_at(r, k + 1, s, b, unit) = number;
        emit_state(r, k, b, s, unit, number);
        if (s == 0) feed(r, k + 1, b, unit, number);
    }
    if (!FGN_OUTPUT_IS_STATE && emits(r, k, b)) {
        store(r->outputs + emitted_at(r, k, b, 0, unit), output);
    }
}

/* Beyond a sequence's end states stay as they are, and nothing is fed. */
FGN_FUNCTION void idle_unit(const Run *r, int k, int b, int unit) {
    for (int s = r->project ? 1 : 0; s < FGN_STATES; s++) {
        *state_at(r, k + 1, s, b, unit) = *state_at(r, k, s, b, unit);
    }
    if (!r->project) feed(r, k + 1, b, unit, (real)0);
}

/* The derivatives by the results of a step. */
typedef struct { real output, next[FGN_STATES], kept[FGN_STATES]; } Results;

FGN_FUNCTION void results_of(const Run *r, int k, int b, int unit, real d_fed, Results *d) {
    const integer place = (integer)b * r->hidden + unit;
    FGN_UNROLL for (int s = 0; s < FGN_STATES; s++) {
        d->kept[s] = (real)0;
        if (s == 0 && r->project) {
            d->next[s] = r->d_unprojected[place];
            continue;
        }
        real by = r->d_states[(integer)s * r->batch * r->hidden + place];
        if (s == 0 && FGN_HIDDEN_BLOCKS > 0) {
            const real factor = fed_by(r, k + 1, b, unit);
            if (factor != (real)0) by += factor * d_fed;
        }
        if (r->emit == 2) by += d_emitted(r, k, b, 1 + s, unit);
        if (s == 0 && FGN_OUTPUT_IS_STATE) by += d_emitted(r, k, b, 0, unit);
        d->next[s] = taken_back(r, s, k, b, unit, by, d->kept + s);
    }
    d->output = FGN_OUTPUT_IS_STATE ? (real)0 : d_emitted(r, k, b, 0, unit);
}

/* The derivatives by the arguments of a step. */
FGN_FUNCTION void gradient_of(const At *at, int normalized, const Results *d, At *by) {
#if FGN_MEMORY >= 0
    if (normalized) {
        cell_grad_normalized(at->pre, at->prev, at->vectors, &at->normalized_memory, d->output, d->next,
                       by->pre, by->prev, by->vectors, &by->normalized_memory);
        return;
    }
#endif
    cell_grad(at->pre, at->prev, at->vectors, &at->normalized_memory, d->output, d->next,
              by->pre, by->prev, by->vectors, &by->normalized_memory);
}

FGN_FUNCTION void add_to_sum(const Run *r, int b, int sum, int unit, real more) {
    r->sums[((integer)b * FGN_SUMS + sum) * r->hidden + unit] += more;
}

FGN_FUNCTION elem *d_pre_at(const Run *r, int k, int b, int block, int unit) {
    const integer row = (integer)k * r->batch + b;
    return r->d_pre + (row * FGN_BLOCKS + column(block)) * r->hidden + unit;
}

/* What a step hands back, but for the pre-activations. */
FGN_FUNCTION void hand_back(const Run *r, int k, int b, int unit, const Results *d, const At *by) {
    const int reset = resets_at(r, k, b);
    FGN_UNROLL for (int s = 0; s < FGN_STATES; s++) {
        if (s == 0 && r->project) continue;
        r->d_states[((integer)s * r->batch + b) * r->hidden + unit] =
            reset ? (real)0 : by->prev[s] + d->kept[s];
    }
    FGN_UNROLL for (int g = 0; g < FGN_BLOCKS; g++) add_to_sum(r, b, g, unit, by->pre[g]);
    FGN_UNROLL for (int v = 0; v < FGN_VECTORS; v++) add_to_sum(r, b, FGN_SUM_VECTOR + v, unit, by->vectors[v]);
}

/* One step back, without normalisation. */
FGN_FUNCTION void back_unit(const Run *r, int k, int b, int unit, real d_fed) {
    if (k >= length_of(r, b)) {
        FGN_UNROLL for (int g = 0; g < FGN_BLOCKS; g++) store(d_pre_at(r, k, b, g, unit), (real)0);
        return;
    }
    At at, by;
    Results d;
    products_at(r, k, b, unit, &at);
    complete(r, k, b, unit, 0, &at);
    results_of(r, k, b, unit, d_fed, &d);
    gradient_of(&at, 0, &d, &by);
    hand_back(r, k, b, unit, &d, &by);
    FGN_UNROLL for (int g = 0; g < FGN_BLOCKS; g++) store(d_pre_at(r, k, b, g, unit), by.pre[g]);
}

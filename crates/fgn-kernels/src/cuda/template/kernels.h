/* The kernels that a step is made of, between library products; whole sequences of cells without a
   recurrent product; and what comes before and after all steps. */

/* Rows into the order of steps, or back again; those beyond a sequence's end are zero. */
FGN_KERNEL void fgn_reorder(Run run) {
    const Run *r = &run;
    const integer count = r->steps * r->batch * r->width;
    for (integer n = first_place(); n < count; n += all_threads()) {
        const integer row = n / r->width, column = n % r->width;
        const int k = (int)(row / r->batch), b = (int)(row % r->batch);
        const integer place = place_of(r, k, b) * r->width + column;
        const real number = k < length_of(r, b) ? load(r->from + (r->inverse ? n : place)) : (real)0;
        store(r->to + (r->inverse ? place : n), number);
    }
}

/* The states before the first step. */
FGN_KERNEL void fgn_begin(Run run) {
    const Run *r = &run;
    const integer count = r->batch * r->hidden;
    for (integer n = first_place(); n < count; n += all_threads()) {
        const int b = (int)(n / r->hidden), unit = (int)(n % r->hidden);
        for (int s = 0; s < FGN_STATES; s++) {
            if (s == 0 && unit >= r->output) continue;
            const real number = r->initial[s * count + n];
            *state_at(r, 0, s, b, unit) = number;
            if (s == 0) feed(r, 0, b, unit, number);
        }
    }
}

FGN_FUNCTION void forward_unit(const Run *r, int k, int b, int unit) {
    if (k >= length_of(r, b)) {
        idle_unit(r, k, b, unit);
        return;
    }
    At at;
    products_at(r, k, b, unit, &at);
    complete(r, k, b, unit, 0, &at);
    step_unit(r, k, b, unit, &at, 0);
}

FGN_KERNEL void fgn_forward(Run run) {
    const Run *r = &run;
    for (integer n = first_place(); n < r->batch * r->hidden; n += all_threads()) {
        forward_unit(r, (int)r->step, (int)(n / r->hidden), (int)(n % r->hidden));
    }
}

/* Of a hidden state without a projection. */
FGN_FUNCTION real d_fed_of(const Run *r, int b, int unit) {
    return r->d_fed && !r->project ? r->d_fed[(integer)b * r->hidden + unit] : (real)0;
}

FGN_KERNEL void fgn_backward(Run run) {
    const Run *r = &run;
    for (integer n = first_place(); n < r->batch * r->hidden; n += all_threads()) {
        const int b = (int)(n / r->hidden), unit = (int)(n % r->hidden);
        back_unit(r, (int)r->step, b, unit, d_fed_of(r, b, unit));
    }
}

/* All steps at once: without a recurrent product units do not see each other. */
FGN_KERNEL void fgn_scan_forward(Run run) {
    const Run *r = &run;
    for (integer n = first_place(); n < r->batch * r->hidden; n += all_threads()) {
        for (int k = 0; k < r->steps; k++) {
            forward_unit(r, k, (int)(n / r->hidden), (int)(n % r->hidden));
        }
    }
}

FGN_KERNEL void fgn_scan_backward(Run run) {
    const Run *r = &run;
    for (integer n = first_place(); n < r->batch * r->hidden; n += all_threads()) {
        for (int k = (int)r->steps - 1; k >= 0; k--) {
            back_unit(r, k, (int)(n / r->hidden), (int)(n % r->hidden), (real)0);
        }
    }
}

/* Behind the product with weight_hr: the hidden state that is handed on. */
FGN_KERNEL void fgn_project(Run run) {
    const Run *r = &run;
    const int k = (int)r->step;
    for (integer n = first_place(); n < r->batch * r->output; n += all_threads()) {
        const int b = (int)(n / r->output), unit = (int)(n % r->output);
        const int going = k < length_of(r, b);
        const real before = *state_at(r, k, 0, b, unit);
        const real prev = going && resets_at(r, k, b) ? (real)0 : before;
        const real next = going ? handed_on(r, 0, k, b, unit, prev, r->projected[n]) : before;
        *state_at(r, k + 1, 0, b, unit) = next;
        feed(r, k + 1, b, unit, going ? next : (real)0);
        if (going) emit_state(r, k, b, 0, unit, next);
    }
}

/* Before the product with weight_hr: the derivative by what it gave. */
FGN_KERNEL void fgn_project_back(Run run) {
    const Run *r = &run;
    const int k = (int)r->step;
    for (integer n = first_place(); n < r->batch * r->output; n += all_threads()) {
        const int b = (int)(n / r->output), unit = (int)(n % r->output);
        elem *result = r->d_projected + (integer)k * r->batch * r->output + n;
        if (k >= length_of(r, b)) {
            store(result, (real)0);
            continue;
        }
        real *d_state = r->d_states + (integer)b * r->hidden + unit, kept;
        const real factor = fed_by(r, k + 1, b, unit);
        real by = *d_state;
        if (factor != (real)0) by += factor * r->d_fed[n];
        if (r->emit == 2) by += d_emitted(r, k, b, 1, unit);
        by += d_emitted(r, k, b, 0, unit);
        store(result, taken_back(r, 0, k, b, unit, by, &kept));
        *d_state = resets_at(r, k, b) ? (real)0 : kept;
    }
}

/* The derivatives by the states before the first step. */
FGN_KERNEL void fgn_end(Run run) {
    const Run *r = &run;
    for (integer n = first_place(); n < r->batch * r->hidden; n += all_threads()) {
        const int b = (int)(n / r->hidden), unit = (int)(n % r->hidden);
        if (unit >= r->output) {
            r->d_states[n] = (real)0;
        } else if (FGN_HIDDEN_BLOCKS > 0) {
            const real factor = fed_by(r, 0, b, unit);
            if (factor != (real)0) r->d_states[n] += factor * r->d_fed[b * r->output + unit];
        }
    }
}

FGN_FUNCTION void write_sum(const Run *r, integer first, integer unit, real sum) {
    if (first >= 0) store(r->d_weights + first + unit, sum);
}

/* The sequences' own sums, added in their order. */
FGN_KERNEL void fgn_add_sums(Run run) {
    const Run *r = &run;
    for (integer n = first_place(); n < FGN_SUMS * r->hidden; n += all_threads()) {
        const int which = (int)(n / r->hidden);
        const integer unit = n % r->hidden;
        real sum = (real)0;
        for (int b = 0; b < r->batch; b++) sum += r->sums[(integer)b * FGN_SUMS * r->hidden + n];
        if (which < FGN_SUM_VECTOR) {
            write_sum(r, r->bias_input[which], unit, sum);
            write_sum(r, r->bias_hidden[which], unit, sum);
        } else if (which < FGN_SUM_GAIN) {
            write_sum(r, r->vector[which - FGN_SUM_VECTOR], unit, sum);
        } else if (which < FGN_SUM_MEMORY_GAIN) {
            write_sum(r, r->gain[which - FGN_SUM_GAIN], unit, sum);
        } else {
            write_sum(r, which == FGN_SUM_MEMORY_GAIN ? r->memory_gain : r->memory_bias, unit, sum);
        }
    }
}

/* Labels of sparse rows: a model that holds what quantcore.runtime.csr promises, with planes and bounds of any size. */

static void bounded(input *in, qc_csr_labels *m) {
    static const double most[] = {0x1p100, 1.0, 1e-30, 1e20};
    m->bias_max = 0.0;
    for (ptrdiff_t k = 0; k < m->n_outputs; ++k) m->bias_max = fmax(m->bias_max, fabs(m->exact.bias[k]));
    m->at = below(in, 2) ? 0.0 : finite_value(in, 3);
    m->empty_label = (int32_t)below(in, m->n_outputs > 1 ? (uint32_t)m->n_outputs : 2);
    m->share = below(in, 2) ? 0x1p-22 : 0x1p-50, m->last = below(in, 2) ? 0x1p-22 : 0x1p-49;
    m->unit = below(in, 2) ? 0x1p-53 : 0x1p-24;
    m->tiny = m->unit == 0x1p-53 ? 0x1p-1021 : 0x1p-125, m->largest = m->unit == 0x1p-53 ? 0x1p1021 : 0x1p125;
    m->most = most[below(in, 8) ? 0 : below(in, 4)];
    for (int i = 0; i < 2; ++i) m->fixed[i] = 0x1p-20, m->slack[i] = below(in, 4) ? 0x1p-115 : 0.01;
}

/* Of each feature what its weights may add to a bound: never so little that scores overflow before the bound does. */
static float spread_for(input *in, float scale) {
    static const float share[] = {0x1p-10f, 0x1p-4f, 1.0f, 64.0f};
    return nextafterf(128.0f * fabsf(scale) * share[below(in, 4)], INFINITY);
}

/* int8 rows in full, with what belongs to a feature in one place; or lists or masks, whose scores come first. */
static void hot_rows(input *in, qc_csr_labels *m, weights *w) {
    const ptrdiff_t padded = (m->n_outputs + QC_LANES - 1) / QC_LANES * QC_LANES;
    float *bias = array(in, (size_t)padded, 4), *spread = array(in, (size_t)w->n_features, 4);
    for (ptrdiff_t k = 0; k < padded; ++k) bias[k] = k < m->n_outputs ? (float)m->exact.bias[k] : -INFINITY;
    m->bias32 = bias, m->spread = spread;
    qc_feature *features = array(in, (size_t)w->n_features, sizeof *features);
    for (ptrdiff_t i = 0; i < w->n_features; ++i) {
        const uint32_t stored = w->w.index ? w->w.index[i] : (uint32_t)i;
        const float scale = ldexpf((float)(1 + below(in, 255)), (int)below(in, 24) - 20);
        spread[i] = spread_for(in, w->layout == INT8 ? scale : w->w.scale ? w->w.scale[stored] : 1.0f);
        features[i] = (qc_feature){stored * (uint32_t)(padded / QC_LANES), scale, spread[i], 0.0f};
    }
    m->features = w->layout == INT8 ? features : NULL;
    m->prefetch = (int)below(in, 2);
}

static void hot_column(input *in, qc_csr_labels *m, ptrdiff_t n_features) {
    float *pairs = array(in, (size_t)n_features, 8);
    for (ptrdiff_t i = 0; i < n_features; ++i) {
        pairs[2 * i] = ldexpf((float)((int)below(in, 255) - 127), (int)below(in, 30) - 25);
        pairs[2 * i + 1] = spread_for(in, fabsf(pairs[2 * i]) / 128.0f);
    }
    m->column = pairs;
}

static ptrdiff_t ask(const qc_csr *x, const qc_csr_labels *m, const weights *w, float *scores, qc_csr_result *r) {
    if (m->column) return qc_bound.labels_column_float32(x, m, r);
    if (w->layout == INT8) return qc_bound.labels_rows_int8(x, m, &w->w, scores, r);
    scores_of(w->layout)(x, &w->w, scores);
    return qc_bound.labels_rows_float32(x, m, scores, r);
}

static void labels(input *in, int one) {
    static const int kinds[] = {INT8, INT8, LISTS, MASKS};
    qc_csr_labels m = {0};
    weights w = {.n_features = below(in, 40)};
    m.n_outputs = 1;
    if (!one) {
        const int layout = kinds[below(in, 4)];
        w = some_weights(in, layout, layout != INT8, (int)below(in, 2));
        if (w.w.drops || w.w.n_outputs == 1) return; /* of features without weights there are none, one output has a column */
        for (ptrdiff_t i = 0; w.w.scale && i < at_least_one(w.n_stored); ++i) ((float *)(uintptr_t)w.w.scale)[i] = 0x1p-3f;
        m.n_outputs = w.w.n_outputs;
    }
    exact_weights e = some_exact(in, m.n_outputs, 0);
    index_exact(in, &e, w.n_features);
    double *bias = array(in, (size_t)m.n_outputs, 8); /* weights beyond 2^60 are left to NumPy */
    for (ptrdiff_t k = 0; k < m.n_outputs; ++k) bias[k] = fmin(fmax(e.w.bias[k], -0x1p60), 0x1p60);
    e.w.bias = bias;
    m.exact = e.w, m.kind = e.kind;
    bounded(in, &m);
    if (one) hot_column(in, &m, w.n_features);
    else hot_rows(in, &m, &w);
    double *step = array(in, (size_t)e.n_stored, 8), *most = array(in, (size_t)e.n_stored, 8), *gain = NULL;
    for (ptrdiff_t i = 0; i < e.n_stored; ++i) {
        step[i] = ldexp(1.0, -20 - (int)below(in, 30));
        most[i] = fabs(finite_value(in, 3)) + 1.0;
    }
    m.step = step, m.size = most;
    if (below(in, 3) == 0) {
        gain = array(in, (size_t)w.n_features, 8);
        for (ptrdiff_t i = 0; i < w.n_features; ++i) gain[i] = ldexp((double)(1 + below(in, 100)), (int)below(in, 50) - 25);
        m.gain = gain;
    }
    const qc_csr x = some_rows(in, w.n_features);
    const size_t n = (size_t)x.n_rows, room_for = (size_t)(w.layout == INT8 ? (m.n_outputs + QC_LANES - 1) / QC_LANES * QC_LANES
                                                                            : x.n_rows * m.n_outputs);
    qc_csr_result first = {0};
    ptrdiff_t refused = -1;
    for (int isa = 0; isa < QC_ISA_COUNT; ++isa) {
        if (!qc_isa_available(isa)) continue;
        qc_select(isa);
        qc_csr_result r = {array(in, n, 4), keep(0, n), 0, 0};
        const ptrdiff_t found = ask(&x, &m, &w, array(in, room_for, 4), &r);
        if (!first.labels) first = r, refused = found;
        CHECK(found == refused, "%s: row %td is refused, not %td", qc_isa_name(isa), found, refused);
        if (found >= 0) continue; /* what was written means nothing */
        CHECK(!memcmp(first.labels, r.labels, n * 4) && !memcmp(first.planes, r.planes, n), "%s: labels of %s", qc_isa_name(isa),
              one ? "a column" : layouts[w.layout]);
        CHECK(first.fine == r.fine && first.open == r.open, "%s: %td fine, %td open", qc_isa_name(isa), r.fine, r.open);
        for (size_t i = 0; i < n; ++i)
            CHECK(r.labels[i] >= 0 && r.labels[i] < (one ? 2 : (int32_t)m.n_outputs) && r.planes[i] <= 2, "row %zu: label %d", i,
                  r.labels[i]);
    }
}

// The body of the vector variants, included once per instruction set inside an anonymous namespace that defines
// `DotLanes`, `PanelLanes`, `dot_vertices` and `panel_vertices`. Everything a function here calls is defined here,
// static or an intrinsic: the linker could replace an inline function of a header by a copy compiled for another
// processor.

constexpr int dot_width = DotLanes::width;
constexpr int panel_width = PanelLanes::width;

// How the dot form turns a ring's values into vectors.
//   whole   Cin is a multiple of the width
//   twelve  Cin = 12, which the paper's widths give and no width divides: several positions share vectors
//   tail    any Cin: the last vector of a position is partly filled
enum class Reading { whole, twelve, tail };

Reading reading_of(const SpiralConv3DSizes& s) {
    if (s.channels_in % dot_width == 0) return Reading::whole;
    return s.channels_in == 12 ? Reading::twelve : Reading::tail;
}

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Floats that a position takes in the dot form's vectors.
int64_t dot_stride(const SpiralConv3DSizes& s) {
    if (reading_of(s) == Reading::tail) return divide_up(s.channels_in, dot_width) * dot_width;
    return s.channels_in;
}

// Vectors of gathered values per vertex.
int64_t dot_steps(const SpiralConv3DSizes& s) { return divide_up(s.kernel * dot_stride(s), dot_width); }

// Whichever multiplies fewer lanes.
Form form_of(const SpiralConv3DSizes& s) {
    const int64_t columns = s.delta * s.channels_out;
    const int64_t summing = 4;  // adding up the lanes at the end costs about as much as so many steps
    const int64_t dot = columns * (dot_steps(s) + summing) * dot_width;
    const int64_t panel = s.kernel * s.channels_in * divide_up(columns, panel_width) * panel_width;
    return dot < panel ? Form::dot : Form::panel;
}

// Columns that are computed together: 3 (dot) or 3 vectors (panel); the last group may be smaller.
constexpr int64_t group = 3;

int64_t group_size(int64_t all, int64_t first) { return all - first < group ? all - first : group; }

int64_t packed_size(const SpiralConv3DSizes& s) {
    const int64_t columns = s.delta * s.channels_out;
    if (form_of(s) == Form::dot) return columns * dot_steps(s) * dot_width;
    return divide_up(columns, panel_width) * panel_width * s.kernel * s.channels_in;
}

// [column group][step][column][lane]
void pack_dot(const SpiralConv3DSizes& s, const float* weight, float* packed) {
    const int64_t columns = s.delta * s.channels_out, stride = dot_stride(s);
    for (int64_t j = 0; j < columns; ++j) {
        const int64_t first = j / group * group, step = group_size(columns, first) * dot_width;
        float* base = packed + first * dot_width * dot_steps(s) + (j - first) * dot_width;
        for (int64_t k = 0; k < s.kernel; ++k)
            for (int64_t c = 0; c < s.channels_in; ++c) {
                const int64_t at = k * stride + c;
                base[at / dot_width * step + at % dot_width] =
                    tap(s, weight, j / s.channels_out, j % s.channels_out, k, c);
            }
    }
}

// [vector group][k][c][vector][lane]
void pack_panel(const SpiralConv3DSizes& s, const float* weight, float* packed) {
    const int64_t columns = s.delta * s.channels_out, entries = s.kernel * s.channels_in;
    const int64_t vectors = divide_up(columns, panel_width);
    for (int64_t j = 0; j < columns; ++j) {
        const int64_t vector = j / panel_width, first = vector / group * group;
        const int64_t step = group_size(vectors, first) * panel_width;
        float* base = packed + first * panel_width * entries + (vector - first) * panel_width + j % panel_width;
        for (int64_t k = 0; k < s.kernel; ++k)
            for (int64_t c = 0; c < s.channels_in; ++c)
                base[(k * s.channels_in + c) * step] = tap(s, weight, j / s.channels_out, j % s.channels_out, k, c);
    }
}

void pack(const SpiralConv3DSizes& s, const float* weight, float* packed) {
    if (form_of(s) == Form::dot) pack_dot(s, weight, packed);
    else pack_panel(s, weight, packed);
}

// Loops over registers are unrolled by the front end, through index packs: an array that a loop indexes would be kept
// in memory.
template <int... indices> struct Indices {};
template <int count, int... indices> struct Counted : Counted<count - 1, count - 1, indices...> {};
template <int... indices> struct Counted<0, indices...> {
    using type = Indices<indices...>;
};
template <int count> using UpTo = typename Counted<count>::type;

#include "spiral_conv3d_dot.inl"
#include "spiral_conv3d_panel.inl"

void frame(const Problem& p, const float* x, const FrameTargets& to) {
    const int64_t columns = p.sizes.delta * p.sizes.channels_out, entries = p.sizes.kernel * p.sizes.channels_in;
    const bool dot = form_of(p.sizes) == Form::dot;
    const int64_t units = dot ? columns : divide_up(columns, panel_width);  // columns, or vectors of columns
    const int64_t unit_weights = dot ? dot_steps(p.sizes) * dot_width : entries * panel_width;
    for (int64_t first = 0; first < units; first += group) {
        const float* weights = p.packed + first * unit_weights;
        switch (group_size(units, first)) {
            case 1:
                dot ? dot_group<1>(p, x, to, first, weights) : panel_group<1>(p, x, to, first, weights);
                break;
            case 2:
                dot ? dot_group<2>(p, x, to, first, weights) : panel_group<2>(p, x, to, first, weights);
                break;
            default: dot ? dot_group<3>(p, x, to, first, weights) : panel_group<3>(p, x, to, first, weights);
        }
    }
}

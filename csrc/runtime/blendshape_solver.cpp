#include "blendshape_solver.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>
#include <utility>
#include <vector>

namespace emoface {
namespace {

constexpr float kNegligible = 1e-5f;   // of the largest offset: vertices that move less do not count
constexpr double kIndependent = 1e-5;  // least share of a shape's square that the shapes before it must leave over
constexpr double kOpposite = 0.01;     // a share above it counts as explaining and not as undoing
constexpr double kRidge = 1e-4;
constexpr double kTolerance = 1e-10;
constexpr int kBulkRounds = 8;
constexpr int64_t kTile = 16;    // shapes whose sums stay in registers
constexpr int64_t kRun = 64;     // terms summed in single precision before double takes over

// Cholesky factor of the leading n x n of `a` (row stride `stride`) in its lower triangle; then a x = b in place.
bool factorise(double* a, int64_t n, int64_t stride) noexcept {
    for (int64_t i = 0; i < n; ++i) {
        double* row = a + i * stride;
        for (int64_t j = 0; j <= i; ++j) {
            const double* other = a + j * stride;
            double sum = row[j];
            for (int64_t k = 0; k < j; ++k) sum -= row[k] * other[k];
            if (i == j) {
                if (!(sum > 0)) return false;
                row[i] = std::sqrt(sum);
            } else {
                row[j] = sum / other[j];
            }
        }
    }
    return true;
}

void forward(const double* a, int64_t n, int64_t stride, double* x) noexcept {
    for (int64_t i = 0; i < n; ++i) {
        double sum = x[i];
        for (int64_t k = 0; k < i; ++k) sum -= a[i * stride + k] * x[k];
        x[i] = sum / a[i * stride + i];
    }
}

void backward(const double* a, int64_t n, int64_t stride, double* x) noexcept {
    for (int64_t i = n - 1; i >= 0; --i) {
        double sum = x[i];
        for (int64_t k = i + 1; k < n; ++k) sum -= a[k * stride + i] * x[k];
        x[i] = sum / a[i * stride + i];
    }
}

bool finite(const float* values, int64_t count) noexcept {
    // The sum of 0 * x is 0 unless some x is NaN or infinite; unlike a test of each, it is one pass of vectors.
    float sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += 0.0f * values[i];
    return sum == 0.0f;
}

}  // namespace

struct BlendshapeSolver::Data {
    int64_t shapes = 0, vertices = 0, used_count = 0, tiles = 0;
    std::vector<int64_t> moving, used;
    std::vector<float> rows;   // [tiles][3 moving][kTile]: shapes / s^2
    std::vector<double> size, ties, penalty, matrix;
    std::vector<float> before;
    // Scratch of one frame.
    std::vector<double> linear, w, gradient, wanted, factor;
    std::vector<int64_t> inside;
    std::vector<uint8_t> is_free;

    int64_t dependent(const std::vector<double>& gram) const;
    void project(const float* offsets) noexcept;
    void minimise_free() noexcept;
    void solve_box() noexcept;
};

// The position in `used` of a shape that others explain, or -1. A shape that only undoes others is no fault.
int64_t BlendshapeSolver::Data::dependent(const std::vector<double>& gram) const {
    const int64_t n = used_count;
    std::vector<double> factor(size_t(n * n), 0.0), share(static_cast<size_t>(n));
    std::vector<int64_t> kept;
    auto cosine = [&](int64_t a, int64_t b) {
        return gram[size_t(used[a] * shapes + used[b])] /
               std::sqrt(gram[size_t(used[a] * shapes + used[a])] * gram[size_t(used[b] * shapes + used[b])]);
    };
    for (int64_t k = 0; k < n; ++k) {
        const int64_t m = int64_t(kept.size());
        for (int64_t j = 0; j < m; ++j) share[j] = cosine(kept[j], k);
        forward(factor.data(), m, n, share.data());
        double left = 1.0;
        for (int64_t j = 0; j < m; ++j) left -= share[j] * share[j];
        if (left >= kIndependent) {
            std::copy(share.begin(), share.begin() + m, factor.begin() + m * n);
            factor[size_t(m * n + m)] = std::sqrt(left);
            kept.push_back(k);
            continue;
        }
        backward(factor.data(), m, n, share.data());
        if (*std::max_element(share.begin(), share.begin() + m) > kOpposite) return k;
    }
    return -1;
}

// linear = B x / s^2
void BlendshapeSolver::Data::project(const float* offsets) noexcept {
    const int64_t count = int64_t(moving.size());
    for (int64_t tile = 0; tile < tiles; ++tile) {
        const float* row = rows.data() + tile * count * 3 * kTile;
        double total[kTile] = {};
        for (int64_t start = 0; start < count; start += kRun) {
            const int64_t end = std::min(count, start + kRun);
            float sum[kTile] = {};
            for (int64_t i = start; i < end; ++i) {
                const float* x = offsets + 3 * moving[i];
                for (int axis = 0; axis < 3; ++axis, row += kTile)
                    for (int64_t k = 0; k < kTile; ++k) sum[k] += x[axis] * row[k];
            }
            for (int64_t k = 0; k < kTile; ++k) total[k] += double(sum[k]);
        }
        const int64_t n = std::min(kTile, used_count - tile * kTile);
        std::copy(total, total + n, linear.begin() + tile * kTile);
    }
}

// Move w to the minimum over the free weights, fixing those that meet a bound on the way.
void BlendshapeSolver::Data::minimise_free() noexcept {
    const int64_t n = used_count;
    for (;;) {
        int64_t m = 0;
        for (int64_t k = 0; k < n; ++k)
            if (is_free[k]) inside[m++] = k;
        if (m == 0) return;
        for (int64_t i = 0; i < m; ++i) {
            const double* row = matrix.data() + inside[i] * n;
            double right = linear[inside[i]];
            for (int64_t k = 0; k < n; ++k)
                if (!is_free[k]) right -= row[k] * w[k];
            wanted[i] = right;
            for (int64_t j = 0; j <= i; ++j) factor[i * n + j] = row[inside[j]];
        }
        if (!factorise(factor.data(), m, n)) return;
        forward(factor.data(), m, n, wanted.data());
        backward(factor.data(), m, n, wanted.data());
        double least = std::numeric_limits<double>::infinity();
        auto share = [&](int64_t i) {
            const double here = w[inside[i]], move = wanted[i] - here;
            return wanted[i] < 0 ? here / -move
                 : wanted[i] > 1 ? (1.0 - here) / move
                                 : std::numeric_limits<double>::infinity();
        };
        for (int64_t i = 0; i < m; ++i) least = std::min(least, share(i));
        if (std::isinf(least)) {
            for (int64_t i = 0; i < m; ++i) w[inside[i]] = wanted[i];
            return;
        }
        for (int64_t i = 0; i < m; ++i) {
            double& here = w[inside[i]];
            if (share(i) <= least) {
                here = wanted[i] < 0 ? 0.0 : 1.0;
                is_free[inside[i]] = 0;
            } else {
                here = std::clamp(here + least * (wanted[i] - here), 0.0, 1.0);
            }
        }
    }
}

void BlendshapeSolver::Data::solve_box() noexcept {
    const int64_t n = used_count;
    for (int64_t k = 0; k < n; ++k) is_free[k] = w[k] > 0 && w[k] < 1;
    for (int64_t round = 0;; ++round) {
        minimise_free();
        double worst = 0;
        int64_t at = -1;
        for (int64_t k = 0; k < n; ++k) {
            double sum = -linear[k];
            for (int64_t j = 0; j < n; ++j) sum += matrix[k * n + j] * w[j];
            gradient[k] = is_free[k] ? 0.0 : w[k] <= 0 ? -sum : sum;
            if (gradient[k] > worst) worst = gradient[at = k];
        }
        if (worst <= kTolerance || round > kBulkRounds + 4 * n) return;
        if (round < kBulkRounds) {
            for (int64_t k = 0; k < n; ++k)
                if (gradient[k] > kTolerance) is_free[k] = 1;
        } else {
            is_free[at] = 1;
        }
    }
}

BlendshapeSolver::BlendshapeSolver(std::unique_ptr<Data> data) noexcept : data_(std::move(data)) {}
BlendshapeSolver::~BlendshapeSolver() = default;
int64_t BlendshapeSolver::shapes() const noexcept { return data_->shapes; }
int64_t BlendshapeSolver::vertices() const noexcept { return data_->vertices; }
const float* BlendshapeSolver::state() const noexcept { return data_->before.data(); }
void BlendshapeSolver::reset() noexcept { std::fill(data_->before.begin(), data_->before.end(), 0.0f); }

const char* BlendshapeSolver::explain(Status status) noexcept {
    switch (status) {
        case Status::ok: return "ok";
        case Status::bad_size: return "no shapes or no vertices";
        case Status::bad_parameter: return "sparsity or smoothness is negative or not finite";
        case Status::not_finite: return "NaN or infinite values";
        case Status::empty: return "blendshapes without any offset";
        case Status::dependent_shape: return "a blendshape is a combination of others (rank-deficient basis)";
        case Status::out_of_memory: return "memory ran out";
    }
    return "an unknown status";
}

BlendshapeSolver::Status BlendshapeSolver::make(int64_t shapes, int64_t vertices, const float* deltas, float sparsity,
                                                float smoothness, std::unique_ptr<BlendshapeSolver>* solver,
                                                int64_t* shape_at_fault) noexcept try {
    int64_t unheeded = -1;
    int64_t& fault = shape_at_fault ? *shape_at_fault : unheeded;
    fault = -1;
    if (shapes < 1 || vertices < 1 || deltas == nullptr) return Status::bad_size;
    if (!(sparsity >= 0 && sparsity <= std::numeric_limits<float>::max() && smoothness >= 0 &&
          smoothness <= std::numeric_limits<float>::max()))
        return Status::bad_parameter;
    const int64_t stride = vertices * 3;
    for (int64_t k = 0; k < shapes; ++k)
        if (!finite(deltas + k * stride, stride)) return fault = k, Status::not_finite;

    auto data = std::make_unique<Data>();
    Data& d = *data;
    d.shapes = shapes;
    d.vertices = vertices;
    std::vector<float> reach(static_cast<size_t>(vertices), 0.0f);
    for (int64_t k = 0; k < shapes; ++k)
        for (int64_t i = 0; i < stride; ++i)
            reach[size_t(i / 3)] = std::max(reach[size_t(i / 3)], std::fabs(deltas[k * stride + i]));
    const float largest = *std::max_element(reach.begin(), reach.end());
    for (int64_t v = 0; v < vertices; ++v)
        if (reach[size_t(v)] > kNegligible * largest) d.moving.push_back(v);
    const int64_t count = int64_t(d.moving.size());

    std::vector<double> gram(size_t(shapes * shapes), 0.0);
    for (int64_t a = 0; a < shapes; ++a)
        for (int64_t b = 0; b <= a; ++b) {
            double sum = 0;
            for (int64_t v : d.moving)
                for (int axis = 0; axis < 3; ++axis)
                    sum += double(deltas[a * stride + 3 * v + axis]) * double(deltas[b * stride + 3 * v + axis]);
            gram[size_t(a * shapes + b)] = gram[size_t(b * shapes + a)] = sum;
        }
    for (int64_t k = 0; k < shapes; ++k)
        if (gram[size_t(k * shapes + k)] > 0) d.used.push_back(k);
    const int64_t n = d.used_count = int64_t(d.used.size());
    if (n == 0) return Status::empty;
    if (const int64_t k = d.dependent(gram); k >= 0) return fault = d.used[size_t(k)], Status::dependent_shape;

    double square = 0;
    for (int64_t k : d.used) square += gram[size_t(k * shapes + k)];
    square /= double(n);
    for (int64_t k : d.used) {
        d.size.push_back(std::sqrt(gram[size_t(k * shapes + k)] / square));
        d.ties.push_back(double(smoothness) * d.size.back() * d.size.back());
        d.penalty.push_back(double(sparsity) * d.size.back());
    }
    d.matrix.resize(size_t(n * n));
    for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < n; ++j)
            d.matrix[size_t(i * n + j)] = gram[size_t(d.used[size_t(i)] * shapes + d.used[size_t(j)])] / square;
    for (int64_t i = 0; i < n; ++i)
        d.matrix[size_t(i * n + i)] += d.ties[size_t(i)] + kRidge * d.size[size_t(i)] * d.size[size_t(i)];

    d.tiles = (n + kTile - 1) / kTile;
    d.rows.assign(size_t(d.tiles * count * 3 * kTile), 0.0f);
    for (int64_t k = 0; k < n; ++k)
        for (int64_t i = 0; i < count; ++i)
            for (int axis = 0; axis < 3; ++axis)
                d.rows[size_t(((k / kTile * count + i) * 3 + axis) * kTile + k % kTile)] =
                    float(double(deltas[d.used[size_t(k)] * stride + 3 * d.moving[size_t(i)] + axis]) / square);
    d.before.assign(size_t(shapes), 0.0f);
    for (auto* scratch : {&d.linear, &d.w, &d.gradient, &d.wanted}) scratch->resize(size_t(n));
    d.factor.resize(size_t(n * n));
    d.inside.resize(size_t(n));
    d.is_free.resize(size_t(n));
    solver->reset(new BlendshapeSolver(std::move(data)));
    return Status::ok;
} catch (const std::bad_alloc&) {
    return Status::out_of_memory;
} catch (...) {
    return Status::out_of_memory;  // std::length_error of a vector: more than memory could hold
}

BlendshapeSolver::Status BlendshapeSolver::solve(const float* offsets, float* weights) noexcept {
    Data& d = *data_;
    if (!finite(offsets, d.vertices * 3)) return Status::not_finite;
    d.project(offsets);
    for (int64_t k = 0; k < d.used_count; ++k) {
        d.w[k] = double(d.before[d.used[k]]);
        d.linear[k] += d.ties[k] * d.w[k] - d.penalty[k];
    }
    d.solve_box();
    for (int64_t k = 0; k < d.used_count; ++k) d.before[d.used[k]] = float(d.w[k]);
    std::copy(d.before.begin(), d.before.end(), weights);
    return Status::ok;
}

BlendshapeSolver::Status BlendshapeSolver::restore(const float* state) noexcept {
    for (int64_t k = 0; k < data_->shapes; ++k)
        if (!(state[k] >= 0 && state[k] <= 1)) return Status::not_finite;
    std::copy(state, state + data_->shapes, data_->before.begin());
    return Status::ok;
}

}  // namespace emoface

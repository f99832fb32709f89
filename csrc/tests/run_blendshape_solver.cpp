// Solves frames from a file: the bridge between the Python tests (and benchmark) and the solver.
//
//   run_blendshape_solver IN OUT
//
// IN:  int64 shapes, vertices, frames; float sparsity, smoothness; float [shapes, vertices, 3]; float [frames, vertices, 3]
// OUT: float [frames, shapes]; then the same after reset() for the first half of the frames, restore() from that state
//      in a second solver, and the second half there
// Prints milliseconds per frame (median, largest) and allocations per frame; exits with 10 + the status of make().
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "blendshape_solver.h"

static long allocations = 0;
void* operator new(std::size_t size) {
    ++allocations;
    if (void* memory = std::malloc(size)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

using emoface::BlendshapeSolver;
using Status = BlendshapeSolver::Status;

static bool fill(std::FILE* file, std::vector<float>& values) {
    return std::fread(values.data(), sizeof(float), values.size(), file) == values.size();
}

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    std::FILE* in = std::fopen(argv[1], "rb");
    int64_t size[3];
    float parameters[2];
    if (!in || std::fread(size, 8, 3, in) != 3 || std::fread(parameters, 4, 2, in) != 2) return 2;
    const int64_t stride = size[1] * 3;
    std::vector<float> deltas(size_t(size[0] * stride)), offsets(size_t(size[2] * stride));
    if (!fill(in, deltas) || !fill(in, offsets)) return 2;
    std::fclose(in);

    std::unique_ptr<BlendshapeSolver> solver, other;
    int64_t at = -1;
    auto make = [&](std::unique_ptr<BlendshapeSolver>* made) {
        return BlendshapeSolver::make(size[0], size[1], deltas.data(), parameters[0], parameters[1], made, &at);
    };
    if (const Status status = make(&solver); status != Status::ok) {
        std::printf("%s %lld\n", BlendshapeSolver::explain(status), static_cast<long long>(at));
        return 10 + int(status);
    }
    std::vector<float> weights(size_t(size[2] * size[0])), again(weights.size());
    std::vector<double> times(static_cast<size_t>(size[2]));
    const long before = allocations;
    for (int64_t t = 0; t < size[2]; ++t) {
        const auto start = std::chrono::steady_clock::now();
        if (solver->solve(&offsets[size_t(t * stride)], &weights[size_t(t * size[0])]) != Status::ok) return 3;
        times[size_t(t)] = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    }
    const long during = allocations - before;

    solver->reset();
    if (make(&other) != Status::ok) return 4;
    for (int64_t t = 0; t < size[2]; ++t) {
        if (t == size[2] / 2) {
            if (other->restore(solver->state()) != Status::ok) return 5;
            std::swap(solver, other);
        }
        if (solver->solve(&offsets[size_t(t * stride)], &again[size_t(t * size[0])]) != Status::ok) return 3;
    }

    std::FILE* out = std::fopen(argv[2], "wb");
    if (!out) return 2;
    for (const auto* result : {&weights, &again}) std::fwrite(result->data(), sizeof(float), result->size(), out);
    std::fclose(out);
    std::sort(times.begin(), times.end());
    std::printf("%.6f %.6f %.3f\n", times[times.size() / 2], times.back(), double(during) / double(size[2]));
}

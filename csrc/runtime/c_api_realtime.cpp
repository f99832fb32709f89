// emoface.h: real time, blendshape solvers, proof.
#include <cmath>
#include <cstddef>

#include "handles.h"
#include "verify.h"

using namespace emoface::runtime;

struct emoface_solver {
    std::unique_ptr<emoface::BlendshapeSolver> solver;
};

namespace {

int milliseconds(int32_t value, const char* name) {
    if (value < 0 || value > 600000)
        fail(EMOFACE_ERROR_ARGUMENT, std::string(name) + " = " + std::to_string(value), "0 to 600000 ms", "Pass milliseconds.");
    return value == 0 ? 2000 : value;
}

// The worker's side of an animator, for the audio and the display thread.
emoface_status realtime_of(emoface_animator* animator, bool running, Realtime** realtime) noexcept {
    if (animator == nullptr) return refuse(EMOFACE_ERROR_ARGUMENT, "animator = NULL", "an address", "Pass one.");
    *realtime = animator->current.load(std::memory_order_acquire);
    if (*realtime == nullptr || (running && !animator->running.load(std::memory_order_relaxed)))
        return refuse(EMOFACE_ERROR_MODE, "a real-time call", "emoface_start() before it", "Call emoface_start().");
    return EMOFACE_OK;
}

template <class Struct> emoface_status init(Struct* config, uint32_t struct_size) {
    return guarded([&] {
        require_pointer(config, "config");
        if (struct_size != sizeof(Struct))
            fail(EMOFACE_ERROR_ARGUMENT, "struct_size = " + std::to_string(struct_size), std::to_string(sizeof(Struct)),
                 "Use the header of this library's version.");
        *config = {};
        config->struct_size = struct_size;
        return EMOFACE_OK;
    });
}

}  // namespace

extern "C" {

emoface_status emoface_realtime_config_init(emoface_realtime_config* config, uint32_t struct_size) {
    return init(config, struct_size);
}

emoface_status emoface_start(emoface_animator* animator, const emoface_realtime_config* given) {
    return guarded([&] {
        const Use use(animator);
        emoface_realtime_config config{};
        if (given != nullptr) {
            require_struct(given, "emoface_realtime_config", sizeof(emoface_realtime_config));
            config = whole(given);
        }
        if (animator->running.load())
            fail(EMOFACE_ERROR_MODE, "emoface_start() in real time", "an animator at rest", "Call emoface_stop() first.");
        animator->stream.require_sound();
        if (animator->stream.ended())
            fail(EMOFACE_ERROR_STREAM_ENDED, "emoface_start() after emoface_flush()", "emoface_reset() first", "Call emoface_reset().");
        const int queue = milliseconds(config.queue_ms, "queue_ms"), history = milliseconds(config.history_ms, "history_ms");
        animator->current.store(nullptr);
        animator->realtime = std::make_unique<Realtime>(animator->stream, queue, history);
        animator->running.store(true);
        animator->current.store(animator->realtime.get(), std::memory_order_release);
        return EMOFACE_OK;
    });
}

emoface_status emoface_stop(emoface_animator* animator) {
    return guarded([&] {
        const Use use(animator);
        if (!animator->running.load())
            fail(EMOFACE_ERROR_MODE, "emoface_stop() at rest", "emoface_start() before", "Call emoface_start() first.");
        animator->realtime->stop();
        animator->running.store(false);
        return EMOFACE_OK;
    });
}

emoface_status emoface_push(emoface_animator* animator, const void* samples, int64_t count) {
    Realtime* realtime = nullptr;
    if (const emoface_status status = realtime_of(animator, true, &realtime); status != EMOFACE_OK) return status;
    if (count < 0 || count > INT32_MAX || (count > 0 && samples == nullptr))
        return refuse(EMOFACE_ERROR_ARGUMENT, "samples = NULL, or a count that is negative or beyond 2^31 - 1", "samples",
                      "Pass both.");
    return realtime->push(samples, count);
}

emoface_status emoface_sample(emoface_animator* animator, double audio_time, const emoface_frames* out) {
    Realtime* realtime = nullptr;
    if (const emoface_status status = realtime_of(animator, false, &realtime); status != EMOFACE_OK) return status;
    return guarded([&] {
        require_frames(out, animator->stream.sizes());
        if (out != nullptr && whole(out).offsets != nullptr)
            fail(EMOFACE_ERROR_ARGUMENT, "an array for offsets", "NULL: a sampled face has none",
                 "Take `vertices`, or the offsets of emoface_step().");
        if (!std::isfinite(audio_time))
            fail(EMOFACE_ERROR_ARGUMENT, "audio_time that is no number", "seconds of audio time", "Pass a number.");
        return realtime->sample(audio_time, out);
    });
}

emoface_status emoface_get_statistics(emoface_animator* animator, emoface_statistics* statistics) {
    Realtime* realtime = nullptr;
    if (const emoface_status status = realtime_of(animator, false, &realtime); status != EMOFACE_OK) return status;
    return guarded([&] {
        require_struct(statistics, "emoface_statistics", sizeof(emoface_statistics));
        realtime->statistics(statistics);
        return EMOFACE_OK;
    });
}

emoface_status emoface_solver_config_init(emoface_solver_config* config, uint32_t struct_size) {
    return init(config, struct_size);
}

emoface_status emoface_solver_create(emoface_package* package, const emoface_solver_config* given, emoface_solver** solver) {
    return guarded([&] {
        require_pointer(package, "package");
        require_pointer(solver, "solver");
        *solver = nullptr;
        emoface_solver_config config{};
        if (given != nullptr) {
            require_struct(given, "emoface_solver_config", sizeof(emoface_solver_config));
            config = whole(given);
        }
        const auto parameter = [](float value, float otherwise) { return value == 0 ? otherwise : value < 0 ? 0.0f : value; };
        if ((config.shapes != 0) != (config.deltas != nullptr) || config.shapes < 0)
            fail(EMOFACE_ERROR_ARGUMENT, "shapes = " + std::to_string(config.shapes), "`shapes` and `deltas`, or neither", "Pass both.");
        auto made = std::make_unique<emoface_solver>();
        made->solver = make_solver(*package->package, config.shapes, config.deltas,
                                   parameter(config.sparsity, emoface::BlendshapeSolver::kDefaultSparsity),
                                   parameter(config.smoothness, emoface::BlendshapeSolver::kDefaultSmoothness));
        *solver = made.release();
        return EMOFACE_OK;
    });
}

void emoface_solver_release(emoface_solver* solver) { delete solver; }

emoface_status emoface_solver_solve(emoface_solver* solver, const float* offsets, float* weights) {
    return guarded([&] {
        require_pointer(solver, "solver");
        require_pointer(offsets, "offsets");
        require_pointer(weights, "weights");
        const auto status = solver->solver->solve(offsets, weights);
        if (status != emoface::BlendshapeSolver::Status::ok)
            fail(EMOFACE_ERROR_ARGUMENT, emoface::BlendshapeSolver::explain(status), "finite offsets", "Repair the frame.");
        return EMOFACE_OK;
    });
}

emoface_status emoface_solver_reset(emoface_solver* solver) {
    return guarded([&] {
        require_pointer(solver, "solver");
        solver->solver->reset();
        return EMOFACE_OK;
    });
}

emoface_status emoface_verify(emoface_package* package, const emoface_animator_config* config, emoface_verification* result) {
    return guarded([&] {
        require_pointer(package, "package");
        require_struct(result, "emoface_verification", offsetof(emoface_verification, stages_error));
        emoface_verification found{};
        verify_golden(*package->package, stream_options(*package->package, config), &found);
        found.struct_size = result->struct_size;
        std::memcpy(result, &found, found.struct_size);
        return EMOFACE_OK;
    });
}

}  // extern "C"

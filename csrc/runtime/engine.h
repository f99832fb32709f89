// The graphs of a package, loaded for one backend and precision; and one stage of one stream.
#pragma once

#include "ort_library.h"

#include <memory>
#include <string>
#include <vector>

#include "manifest.h"

namespace emoface::runtime {

class Package;

class Engine {
public:
    // Failure (BACKEND, MANIFEST). The package must only live during the call.
    Engine(const Package& package, const std::string& backend, const std::string& precision, int threads);
    const std::string& backend() const { return backend_; }
    const std::string& precision() const { return precision_; }
    Ort::Session& session(size_t stage) { return *sessions_[stage]; }
    // States of a stage whose input and output may be one buffer.
    const std::vector<std::string>& in_place(size_t stage) const { return in_place_[stage]; }

private:
    std::string backend_, precision_;
    std::vector<std::unique_ptr<Ort::Session>> sessions_;
    std::vector<std::vector<std::string>> in_place_;
};

// The backend that `name` stands for: "" and "auto" take EmoFace's kernels where they lie beside this library.
std::string resolve_backend(const std::string& name);

// Memory for tensors, aligned for vector instructions.
class Buffer {
public:
    explicit Buffer(size_t bytes);
    uint8_t* data() const { return data_; }
    size_t size() const { return size_; }
    float* floats() const { return reinterpret_cast<float*>(data_); }

private:
    std::vector<uint8_t> storage_;
    uint8_t* data_;
    size_t size_;
};

// One stage with the state of one stream. Buffers are bound once per number of items: a call reads one set of states
// and writes the other, and the next call swaps them, so that states are never copied and nothing is allocated.
class StageStream {
public:
    StageStream(const StageSpec& spec, Ort::Session& session, const std::vector<std::string>& in_place);
    const StageSpec& spec() const { return spec_; }
    void reset();
    // Make the buffers for n items; done by `run` where it was not done before.
    void prepare(int64_t n);
    // Where an input of the next `run(n)` is to be written.
    Buffer& input(int64_t n, size_t index);
    // One step over n items; Failure (BACKEND).
    void run(int64_t n);
    // An output of the latest run: valid until the second next one.
    const Buffer& output(size_t index) const { return *latest_->outputs[index]; }

    // The states, in the manifest's order.
    const Buffer& state(size_t index) const { return *states_[read_][index]; }
    void set_state(size_t index, const uint8_t* bytes);

private:
    struct Call {
        std::vector<std::unique_ptr<Buffer>> inputs, outputs;
        std::unique_ptr<Ort::IoBinding> binding;
    };
    struct Calls {
        int64_t n;
        Call read[2];
    };
    Calls& calls(int64_t n);
    void bind(Call& call, int64_t n, size_t read);
    const StageSpec& spec_;
    Ort::Session& session_;
    Ort::MemoryInfo memory_;
    Ort::RunOptions run_options_;
    std::vector<std::shared_ptr<Buffer>> states_[2];
    size_t read_ = 0;
    std::vector<std::unique_ptr<Calls>> calls_;
    const Call* latest_ = nullptr;
};

// Bytes of one item (a feature or a frame) of an output or input [B, n, ...].
size_t item_bytes(const TensorSpec& spec);

}  // namespace emoface::runtime

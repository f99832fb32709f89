// emoface._runtime: emoface.h for numpy, and nothing but it. The interpreter lock is released while the library works.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <exception>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emoface.h"

namespace py = pybind11;

namespace {

using Floats = py::array_t<float, py::array::c_style | py::array::forcecast>;
using Conditions = std::vector<std::pair<std::string, Floats>>;

// A status that is an error, with the parts of the thread's last error.
struct Fault {
    emoface_status status;
    std::string parts[EMOFACE_PART_FIELD + 1];
};

void check(emoface_status status) {
    if (status >= 0) return;
    Fault fault{status, {}};
    for (int32_t part = 0; part <= EMOFACE_PART_FIELD; ++part) fault.parts[part] = emoface_last_error_part(part);
    throw fault;
}

// Makes a call without the interpreter lock.
template <class Call> void run(Call&& call) {
    emoface_status status;
    {
        const py::gil_scoped_release release;
        status = call();
    }
    check(status);
}

template <class Struct> Struct sized() {
    Struct value{};
    value.struct_size = sizeof value;
    return value;
}

class Package {
public:
    explicit Package(const std::map<std::string, py::bytes>& given) {
        std::vector<emoface_file> files;
        for (const auto& [name, data] : given) {
            const std::string_view view(data);
            files.push_back({name.c_str(), view.data(), int64_t(view.size())});
        }
        run([&] { return emoface_package_open_files(files.data(), int64_t(files.size()), &handle_); });
        info_ = sized<emoface_package_info>();
        check(emoface_package_get_info(handle_, &info_));
    }
    ~Package() { emoface_package_release(handle_); }
    Package(const Package&) = delete;
    Package& operator=(const Package&) = delete;

    emoface_package* handle() const { return handle_; }
    const emoface_package_info& info() const { return info_; }
    const char* digest() const { return emoface_package_text(handle_, EMOFACE_TEXT_DIGEST); }
    py::dict verify(const std::string& precision, int threads) const {
        auto config = sized<emoface_animator_config>();
        config.precision = precision.c_str();
        config.threads = threads;
        auto found = sized<emoface_verification>();
        run([&] { return emoface_verify(handle_, &config, &found); });
        py::dict values;
        values["offsets_error"] = found.offsets_error;
        values["stages_error"] = found.stages_error;
        values["tolerance"] = found.tolerance;
        values["passed"] = found.passed != 0;
        return values;
    }

private:
    emoface_package* handle_ = nullptr;
    emoface_package_info info_{};
};

// Arrays of Python for the frames of one call.
struct Frames {
    Frames(const emoface_package_info& info, bool skip_vertices, int64_t count)
        : offsets({py::ssize_t(count), py::ssize_t(skip_vertices ? 0 : info.vertices), py::ssize_t(3)}),
          emotion({py::ssize_t(count), py::ssize_t(info.emotions)}),
          weight({py::ssize_t(count), py::ssize_t(info.has_weights ? info.vertices : 0)}),
          rotation({py::ssize_t(count), py::ssize_t(info.has_head_pose ? 3 : 0), py::ssize_t(info.has_head_pose ? 3 : 0)}),
          translation({py::ssize_t(count), py::ssize_t(info.has_head_pose ? 3 : 0)}),
          arousal({py::ssize_t(count), py::ssize_t(info.has_arousal)}),
          valence({py::ssize_t(count), py::ssize_t(info.has_valence)}),
          confidence({py::ssize_t(count), py::ssize_t(info.has_confidence)}),
          coefficients({py::ssize_t(count), py::ssize_t(info.coefficients)}),
          emotion_coefficients({py::ssize_t(count), py::ssize_t(info.has_emotion_coefficients ? info.coefficients : 0)}) {
        if (!skip_vertices) out.offsets = offsets.mutable_data();
        if (coefficients.size() != 0) out.coefficients = coefficients.mutable_data();
        if (emotion_coefficients.size() != 0) out.emotion_coefficients = emotion_coefficients.mutable_data();
        if (emotion.size() != 0) out.emotion = emotion.mutable_data();
        if (weight.size() != 0) out.emotion_weight = weight.mutable_data();
        if (rotation.size() != 0) out.head_rotation = rotation.mutable_data();
        if (translation.size() != 0) out.head_translation = translation.mutable_data();
        if (arousal.size() != 0) out.arousal = arousal.mutable_data();
        if (valence.size() != 0) out.valence = valence.mutable_data();
        if (confidence.size() != 0) out.confidence = confidence.mutable_data();
    }
    // The fields of emoface.stream.motion.Motion.
    py::dict fields(int64_t first) const {
        using namespace py::literals;
        return py::dict("first"_a = first, "offsets"_a = offsets, "emotion"_a = emotion, "emotion_weight"_a = weight,
                        "head_rotation"_a = rotation, "head_translation"_a = translation, "arousal"_a = arousal,
                        "valence"_a = valence, "confidence"_a = confidence, "coefficients"_a = coefficients,
                        "emotion_coefficients"_a = emotion_coefficients);
    }

    Floats offsets, emotion, weight, rotation, translation, arousal, valence, confidence, coefficients, emotion_coefficients;
    emoface_frames out = sized<emoface_frames>();
};

class Animator {
public:
    Animator(const Package& package, const std::string& precision, int threads, int block_ms, int rate, const Conditions& conditions,
             uint64_t noise_seed, bool skip_vertices, const std::string& identity)
        : package_info_(package.info()), skip_vertices_(skip_vertices) {
        std::vector<emoface_condition> given;
        for (const auto& [name, values] : conditions) given.push_back({name.c_str(), values.data(), int64_t(values.size())});
        auto config = sized<emoface_animator_config>();
        config.sample_rate = rate;
        config.block_ms = block_ms;
        config.threads = threads;
        config.precision = precision.c_str();
        config.conditions = given.data();
        config.condition_count = int64_t(given.size());
        // Layers are added in Python.
        config.blinks = config.gaze = config.head_sway = -1;
        config.noise_seed = noise_seed;
        config.skip_vertices = skip_vertices;
        if (!identity.empty()) config.identity = identity.c_str();
        run([&] { return emoface_animator_create(package.handle(), &config, &handle_); });
    }
    ~Animator() { emoface_animator_release(handle_); }
    Animator(const Animator&) = delete;
    Animator& operator=(const Animator&) = delete;

    py::dict step(const Floats& samples) {
        const int64_t count = samples.size(), first = info().frames_made;
        int64_t frames = 0;
        check(emoface_step_frames(handle_, count, &frames));
        Frames made(package_info_, skip_vertices_, frames);
        run([&, values = samples.data()] { return emoface_step(handle_, values, count, &made.out, frames, nullptr); });
        return made.fields(first);
    }
    py::dict flush(double tail_seconds) {
        const int64_t first = info().frames_made;
        int64_t frames = 0;
        check(emoface_flush_frames(handle_, tail_seconds, &frames));
        Frames made(package_info_, skip_vertices_, frames);
        run([&] { return emoface_flush(handle_, tail_seconds, &made.out, frames, nullptr); });
        return made.fields(first);
    }
    void reset() { check(emoface_reset(handle_)); }
    void set_condition(const std::string& name, const Floats& values, double at) {
        check(emoface_set_condition(handle_, name.c_str(), values.data(), int64_t(values.size()), at));
    }
    py::bytes snapshot() {
        int64_t size = 0;
        if (const emoface_status status = emoface_snapshot(handle_, nullptr, 0, &size); status != EMOFACE_ERROR_BUFFER_TOO_SMALL)
            check(status);
        std::string bytes(size_t(size), '\0');
        check(emoface_snapshot(handle_, bytes.data(), size, &size));
        return py::bytes(bytes);
    }
    void restore(const py::bytes& data) {
        const std::string_view view(data);
        check(emoface_restore(handle_, view.data(), int64_t(view.size())));
    }
    // The mean emotion feature of neutral speech, and the seconds of it that were used.
    py::tuple calibrate(const Floats& samples) {
        float nothing = 0;
        auto result = sized<emoface_calibration>();
        result.speaker_mean = &nothing;
        const auto call = [&, values = samples.data(), count = int64_t(samples.size())] {
            return emoface_calibrate(handle_, values, count, 0, EMOFACE_NOW, &result);
        };
        // Without room it says how much is needed.
        if (const emoface_status status = call(); status != EMOFACE_ERROR_BUFFER_TOO_SMALL) check(status);
        Floats mean(result.count);
        result.speaker_mean = mean.mutable_data();
        result.capacity = int32_t(result.count);
        run(call);
        return py::make_tuple(mean, result.seconds);
    }
    emoface_animator_info info() const {
        auto info = sized<emoface_animator_info>();
        check(emoface_animator_get_info(handle_, &info));
        return info;
    }

private:
    emoface_animator* handle_ = nullptr;
    emoface_package_info package_info_;
    bool skip_vertices_;
};

}  // namespace

PYBIND11_MODULE(_runtime, module) {
    module.doc() = "EmoFace's C interface for numpy; see emoface.h.";
    static py::handle fault = PyErr_NewException("emoface._runtime.Fault", nullptr, nullptr);
    module.attr("Fault") = fault;
    py::register_exception_translator([](std::exception_ptr pointer) {
        try {
            if (pointer) std::rethrow_exception(pointer);
        } catch (const Fault& failure) {
            py::list arguments;
            arguments.append(failure.status);
            // A package may hold any bytes where there should be text.
            for (const std::string& part : failure.parts)
                arguments.append(py::reinterpret_steal<py::object>(
                    PyUnicode_DecodeUTF8(part.data(), py::ssize_t(part.size()), "replace")));
            PyErr_SetObject(fault.ptr(), py::tuple(arguments).ptr());
        }
    });
    module.def("load_onnxruntime", [](const char* path) { check(emoface_onnxruntime_load(path)); }, py::arg("path"));
    py::class_<Package>(module, "Package", "A package from the bytes of its files.")
        .def(py::init<const std::map<std::string, py::bytes>&>(), py::arg("files"))
        .def_property_readonly("digest", &Package::digest)
        .def("verify", &Package::verify, py::arg("precision"), py::arg("threads"), "What emoface_verify() found.");
    py::class_<Animator>(module, "Animator", "One stream: mono samples in, the model's motion out.")
        .def(py::init<const Package&, const std::string&, int, int, int, const Conditions&, uint64_t, bool, const std::string&>(), py::arg("package"),
             py::arg("precision"), py::arg("threads"), py::arg("block_ms"), py::arg("rate"), py::arg("conditions"),
             py::arg("noise_seed"), py::arg("skip_vertices"), py::arg("identity"))
        .def("step", &Animator::step, py::arg("samples"), "samples (n,) -> the fields of a Motion.")
        .def("flush", &Animator::flush, py::arg("tail_seconds"), "The frames still due, as of step.")
        .def("reset", &Animator::reset)
        .def("set_condition", &Animator::set_condition, py::arg("name"), py::arg("values"), py::arg("at"))
        .def("snapshot", &Animator::snapshot)
        .def("restore", &Animator::restore, py::arg("data"))
        .def("calibrate", &Animator::calibrate, py::arg("samples"), "samples (n,) -> mean feature, seconds of speech.")
        .def_property_readonly("fed", [](const Animator& self) { return self.info().samples_fed; })
        .def_property_readonly("latency", [](const Animator& self) { return self.info().latency_samples; })
        .def_property_readonly("backend", [](const Animator& self) { return std::string(self.info().backend); })
        .def_property_readonly("precision", [](const Animator& self) { return std::string(self.info().precision); });
}

// emoface._native: the kernels of csrc/kernels for numpy arrays. The interpreter lock is released while they run.
#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "arrays.h"
#include "spiral_conv3d.h"
#include "vertex_frames.h"

namespace emoface::python {
namespace {

using Floats = py::array_t<float, py::array::c_style>;

py::dict isa_report() {
    py::list available;
    for (Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512})
        if (isa_available(isa)) available.append(isa_name(isa));
    py::dict report;
    report["best"] = isa_name(best_isa());
    report["available"] = available;
    return report;
}

// [V, K] as int32; int64 is accepted when the values fit.
py::array_t<int32_t, py::array::c_style> spiral_of(const py::object& object) {
    if (!py::isinstance<py::array_t<int64_t>>(object)) return input<int32_t>("spiral", object, {-1, -1}, {"V", "K"});
    const auto wide = input<int64_t>("spiral", object, {-1, -1}, {"V", "K"});
    py::array_t<int32_t, py::array::c_style> narrow({wide.shape(0), wide.shape(1)});
    for (py::ssize_t i = 0; i < wide.size(); ++i) {
        const int64_t index = wide.data()[i];
        if (index < 0 || index >= wide.shape(0)) require(Status::index_out_of_range);
        narrow.mutable_data()[i] = int32_t(index);
    }
    return narrow;
}

class Operator {
public:
    Operator(const py::object& spiral_object, const py::object& weight_object, const py::object& bias_object,
             int64_t delta, const std::string& isa) {
        if (delta < 1) throw py::value_error("got delta=" + std::to_string(delta) + "; expected at least 1.");
        const auto spiral = spiral_of(spiral_object);
        const auto weight = input<float>("weight", weight_object, {-1, -1}, {"Cout", "delta * K * Cin"});
        const int64_t window = delta > weight.shape(1) ? 0 : delta * spiral.shape(1);
        if (window == 0 || weight.shape(1) % window != 0)
            refuse_shape("weight", weight, "a second extent that is delta * K * Cin with delta = " +
                         std::to_string(delta) + ", K = " + std::to_string(spiral.shape(1)));
        const auto bias = input<float>("bias", bias_object, {weight.shape(0)}, {});
        const SpiralConv3DSizes sizes{spiral.shape(0), spiral.shape(1), weight.shape(1) / window, weight.shape(0), delta};
        require(SpiralConv3D::make(sizes, spiral.data(), weight.data(), bias.data(), isa_of(isa), &operation_));
    }

    py::tuple call(const py::object& x_object, const py::object& partial_object) const {
        const SpiralConv3DSizes& s = operation_->sizes();
        const auto x = x_of(x_object);
        const auto partial = partial_of(partial_object, x.shape(0));
        Floats y({x.shape(0), x.shape(1), py::ssize_t(s.vertices), py::ssize_t(s.channels_out)});
        Floats rest({x.shape(0), py::ssize_t(s.delta - 1), py::ssize_t(s.vertices), py::ssize_t(s.channels_out)});
        run(x, partial, y.mutable_data(), rest.mutable_data());
        return py::make_tuple(y, rest);
    }

    void call_into(const py::object& x_object, const py::object& partial_object, const py::object& y,
                   const py::object& new_partial) const {
        const SpiralConv3DSizes& s = operation_->sizes();
        const auto x = x_of(x_object);
        const auto partial = partial_of(partial_object, x.shape(0));
        float* out = output<float>("y", y, {x.shape(0), x.shape(1), s.vertices, s.channels_out});
        float* rest = nullptr;
        if (s.delta > 1)
            rest = output<float>("new_partial", new_partial, {x.shape(0), s.delta - 1, s.vertices, s.channels_out});
        run(x, partial, out, rest);
    }

    const SpiralConv3D& operation() const { return *operation_; }

private:
    Floats x_of(const py::object& object) const {
        const SpiralConv3DSizes& s = operation_->sizes();
        return input<float>("x", object, {-1, -1, s.vertices, s.channels_in}, {"B", "n", "V", "Cin"});
    }
    // With delta = 1 nothing is owed: None or an array with no elements.
    Floats partial_of(const py::object& object, int64_t batch) const {
        const SpiralConv3DSizes& s = operation_->sizes();
        if (s.delta > 1) return input<float>("partial", object, {batch, s.delta - 1, s.vertices, s.channels_out}, {});
        if (!object.is_none() && !(py::isinstance<py::array>(object) && py::reinterpret_borrow<py::array>(object).size() == 0))
            throw py::value_error("got a partial for delta = 1; expected None or an empty array.");
        return Floats();
    }
    void run(const Floats& x, const Floats& partial, float* y, float* new_partial) const {
        const int64_t batch = x.shape(0), frames = x.shape(1);
        const float *values = x.data(), *owed = partial.data();
        Status status;
        {
            py::gil_scoped_release release;
            status = operation_->run(batch, frames, values, owed, y, new_partial);
        }
        require(status);
    }
    std::unique_ptr<SpiralConv3D> operation_;
};

py::tuple once(const py::object& x, const py::object& partial, const py::object& spiral, const py::object& weight,
               const py::object& bias, int64_t delta, const std::string& isa) {
    return Operator(spiral, weight, bias, delta, isa).call(x, partial);
}

py::object layer(const py::object& audio_object, const py::object& constants_object, const py::object& available_object,
                 const std::string& activation, const std::string& isa_text, const py::object& out) {
    const auto audio = input<float>("audio", audio_object, {-1, -1}, {"n", "C"});
    const auto constants = input<float>("constants", constants_object, {-1, -1, audio.shape(1)}, {"delta", "V", "C"});
    const auto available = input<int64_t>("available", available_object, {audio.shape(0)}, {});
    if (activation != "elu" && activation != "none")
        throw py::value_error("got activation='" + activation + "'; expected elu or none.");
    const Isa isa = isa_of(isa_text);
    const int64_t frames = audio.shape(0), delta = constants.shape(0), vertices = constants.shape(1);
    const int64_t channels = audio.shape(1);
    const py::object y = out.is_none() ? py::object(Floats({frames, vertices, channels})) : out;
    float* values = output<float>("out", y, {frames, vertices, channels});
    for (int64_t t = 0; t < frames; ++t)
        if (available.data()[t] < 0 || available.data()[t] >= delta)
            throw py::value_error("got available=" + std::to_string(available.data()[t]) + "; expected 0 ... delta - 1.");
    const float *a = audio.data(), *c = constants.data();
    const int64_t* counts = available.data();
    const Activation kind = activation == "elu" ? Activation::elu : Activation::none;
    Status status;
    {
        py::gil_scoped_release release;
        status = vertex_layer(frames, vertices, channels, delta, a, c, counts, kind, values, isa);
    }
    require(status);
    return y;
}

py::tuple blend(const py::object& difference_object, const py::object& emotion_object, const py::object& content_object,
                const std::string& isa_text) {
    const auto difference = input<float>("difference", difference_object, {-1}, {"N"});
    const auto emotion = input<float>("emotion", emotion_object, {difference.shape(0), 3}, {});
    const auto content = input<float>("content", content_object, {difference.shape(0), 3}, {});
    const Isa isa = isa_of(isa_text);
    Floats offsets({difference.shape(0), py::ssize_t(3)}), weight(difference.shape(0));
    const float *d = difference.data(), *e = emotion.data(), *c = content.data();
    float *o = offsets.mutable_data(), *w = weight.mutable_data();
    const int64_t count = difference.shape(0);
    Status status;
    {
        py::gil_scoped_release release;
        status = blend_branches(count, d, e, c, o, w, isa);
    }
    require(status);
    return py::make_tuple(offsets, weight);
}

}  // namespace
}  // namespace emoface::python

PYBIND11_MODULE(_native, module) {
    using namespace emoface::python;
    module.doc() = "Compiled kernels of EmoFace for numpy arrays (float32, C order; others are refused or copied).";
    module.def("isa", &isa_report,
               "{'best': the instruction set that 'auto' takes here, 'available': all that this processor has}.");
    py::class_<Operator>(module, "SpiralConv3D",
                         "SpiralConv3D with packed weights: SpiralConv3D(spiral [V, K], weight [Cout, delta * K * Cin], "
                         "bias [Cout], delta, isa='auto'). Immutable; may be called from many threads.")
        .def(py::init<const py::object&, const py::object&, const py::object&, int64_t, const std::string&>(),
             py::arg("spiral"), py::arg("weight"), py::arg("bias"), py::arg("delta"), py::arg("isa") = "auto")
        .def("__call__", &Operator::call, py::arg("x"), py::arg("partial") = py::none(),
             "x [B, n, V, Cin], partial [B, delta - 1, V, Cout] -> y [B, n, V, Cout], new partial.")
        .def("run_into", &Operator::call_into, py::arg("x"), py::arg("partial"), py::arg("y"),
             py::arg("new_partial") = py::none(),
             "As a call, into arrays that exist; new_partial may be partial itself.")
        .def_property_readonly("isa", [](const Operator& self) { return emoface::isa_name(self.operation().isa()); })
        .def_property_readonly("delta", [](const Operator& self) { return self.operation().sizes().delta; });
    module.def("spiral_conv3d", &once, py::arg("x"), py::arg("partial"), py::arg("spiral"), py::arg("weight"),
               py::arg("bias"), py::arg("delta"), py::arg("isa") = "auto",
               "The operator once: x, partial, spiral, weight, bias -> y, new partial. See SpiralConv3D.");
    module.def("vertex_layer", &layer, py::arg("audio"), py::arg("constants"), py::arg("available"),
               py::arg("activation") = "elu", py::arg("isa") = "auto", py::arg("out") = py::none(),
               "activation(audio [n, C] + constants [delta, V, C][available[n]]) -> [n, V, C].");
    module.def("blend_branches", &blend, py::arg("difference"), py::arg("emotion"), py::arg("content"),
               py::arg("isa") = "auto",
               "difference [N], emotion and content [N, 3] -> offsets [N, 3], weight = sigmoid(difference) [N].");
}

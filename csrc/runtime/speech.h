// What the seeded layers hear of the speech, read off the model's own motion frame by frame: where phrases begin and end,
// and what is stressed. As emoface.rig.speech, bit for bit.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "layers.h"

namespace emoface::runtime {

struct Face;

class SpeechLayer : public Layer {
public:
    // `vertices` [V, 3]: the neutral face that is animated. A face without the mask `lips` never speaks.
    SpeechLayer(const Face& face, const std::vector<float>& vertices, int64_t fps);
    Place place() const override { return Place::speech; }
    void apply(LayerFrame& frame) override;
    void reset() override;
    std::vector<LayerArray> state() const override;
    void restore(const std::vector<LayerArray>& state) override;

private:
    double moved(const float* offsets) const;
    double hear(double moved);

    std::vector<size_t> probes_;
    double width_ = 0.0;
    int64_t fps_;
    double rise_, fall_, learn_;
    float moved_before_ = 0.0f, speed_ = 0.0f, usual_ = 0.0f;
    bool started_ = false, speaking_ = false;
    int64_t since_ = 0, rested_ = 0;
};

}  // namespace emoface::runtime

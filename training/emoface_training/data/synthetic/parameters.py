"""Names and order of the synthetic rig's parameters, the common language of corpus, rig and stage A."""

SPEECH_PARAMETERS = (
    "jaw_open",
    "lips_close",
    "lips_round",
    "lips_wide",
    "lip_tuck",
    "upper_lip_up",
    "lower_lip_down",
    "tongue_up",
)
EXPRESSION_PARAMETERS = (
    "smile",
    "frown",
    "cheek_raise",
    "nose_wrinkle",
    "brow_inner_up",
    "brow_outer_up",
    "brow_down",
    "eye_wide",
    "eye_squint",
    "lips_press",
    "lips_stretch",
    "jaw_forward",
    "blink",
)
RIG_PARAMETERS = SPEECH_PARAMETERS + EXPRESSION_PARAMETERS

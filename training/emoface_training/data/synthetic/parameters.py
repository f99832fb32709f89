"""Names and order of the rig's parameters, the common language of corpus, rig and stage A.

All are nominally 0..1 but the two sides, -1..1: how much more the left half of the face does than the right one.
"""

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
    "chin_raise",
    "blink",
    "brow_side",
    "mouth_side",
)
RIG_PARAMETERS = SPEECH_PARAMETERS + EXPRESSION_PARAMETERS

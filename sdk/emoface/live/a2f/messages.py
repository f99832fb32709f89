"""The messages of Audio2Face-3D's stream, by their public names and numbers.

They are compiled when this module is first imported, into a descriptor pool of its own: a process may hold NVIDIA's
generated modules beside them.
"""

from __future__ import annotations

import re
from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]

SERVICE = "nvidia_ace.services.a2f_controller.v1.A2FControllerService"
METHOD = "ProcessAudioStream"

# One line per field: type, name, number. "*" repeated, "?" optional, "|" in the oneof stream_part. Types are looked up
# in their own file first, then by package and name.
_FILES: dict[str, str] = {
    "audio.v1": """
        enum AudioFormat AUDIO_FORMAT_PCM
        AudioHeader: AudioFormat audio_format 1; uint32 channel_count 2; uint32 samples_per_second 3;
            uint32 bits_per_sample 4
        """,
    "status.v1": """
        enum Code SUCCESS INFO WARNING ERROR
        Status: Code code 1; string message 2
        """,
    "emotion_with_timecode.v1": """
        EmotionWithTimeCode: double time_code 1; map<float> emotion 2
        """,
    "emotion_aggregate.v1": """
        EmotionAggregate: *emotion_with_timecode.v1.EmotionWithTimeCode input_emotions 1;
            *emotion_with_timecode.v1.EmotionWithTimeCode a2e_output 2;
            *emotion_with_timecode.v1.EmotionWithTimeCode a2f_smoothed_output 3
        """,
    "a2f.v1": """
        FloatArray: *float values 1
        FaceParameters: map<float> float_params 1; map<int32> integer_params 2; map<FloatArray> float_array_params 3
        BlendShapeParameters: map<float> bs_weight_multipliers 1; map<float> bs_weight_offsets 2;
            ?bool enable_clamping_bs_weight 3
        EmotionParameters: ?float live_transition_time 1; map<float> beginning_emotion 2
        EmotionPostProcessingParameters: ?float emotion_contrast 1; ?float live_blend_coef 2;
            ?bool enable_preferred_emotion 3; ?float preferred_emotion_strength 4; ?float emotion_strength 5;
            ?int32 max_emotions 6
        AudioWithEmotion: bytes audio_buffer 1; *emotion_with_timecode.v1.EmotionWithTimeCode emotions 2
        """,
    "animation_data.v1": """
        FloatArrayWithTimeCode: double time_code 1; *float values 2
        Float3: float x 1; float y 2; float z 3
        QuatF: float real 1; float i 2; float j 3; float k 4
        Float3ArrayWithTimeCode: double time_code 1; *Float3 values 2
        QuatFArrayWithTimeCode: double time_code 1; *QuatF values 2
        AudioWithTimeCode: double time_code 1; bytes audio_buffer 2
        SkelAnimationHeader: *string blend_shapes 1; *string joints 2
        SkelAnimation: *FloatArrayWithTimeCode blend_shape_weights 1; *Float3ArrayWithTimeCode translations 2;
            *QuatFArrayWithTimeCode rotations 3; *Float3ArrayWithTimeCode scales 4
        AnimationData: ?SkelAnimation skel_animation 1; ?AudioWithTimeCode audio 2; map<any> metadata 4
        """,
    "controller.v1": """
        enum EventType END_OF_A2F_AUDIO_PROCESSING
        EndOfAudio:
        AudioStreamHeader: audio.v1.AudioHeader audio_header 1; a2f.v1.FaceParameters face_params 2;
            a2f.v1.EmotionPostProcessingParameters emotion_post_processing_params 3;
            a2f.v1.BlendShapeParameters blendshape_params 4; a2f.v1.EmotionParameters emotion_params 5
        AudioStream: |AudioStreamHeader audio_stream_header 1; |a2f.v1.AudioWithEmotion audio_with_emotion 2;
            |EndOfAudio end_of_audio 3
        Event: EventType event_type 1; ?any metadata 2
        AnimationDataStreamHeader: ?audio.v1.AudioHeader audio_header 1;
            ?animation_data.v1.SkelAnimationHeader skel_animation_header 2; double start_time_code_since_epoch 3
        AnimationDataStream: |AnimationDataStreamHeader animation_data_stream_header 1;
            |animation_data.v1.AnimationData animation_data 2; |Event event 3; |status.v1.Status status 4
        """,
}
_NESTED = {"EndOfAudio": "AudioStream", "AudioFormat": "AudioHeader", "Code": "Status"}  # inside another message
_ROOT = "nvidia_ace"
_ANY = "google.protobuf.Any"
_SCALARS = ("double", "float", "int32", "uint32", "bool", "string", "bytes")
_FIELD = descriptor_pb2.FieldDescriptorProto


def _name(package: str, kind: str, own: set[str]) -> str:
    if kind == "any":
        return f".{_ANY}"
    where, _, last = kind.rpartition(".")
    if not where:
        assert last in own, kind
        where = package
    return f".{_ROOT}.{where}." + (f"{_NESTED[last]}.{last}" if last in _NESTED else last)


def _file(package: str, described: str) -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{_ROOT}.{package}.proto", package=f"{_ROOT}.{package}", syntax="proto3"
    )
    enums: dict[str, list[str]] = {}
    bodies: dict[str, list[str]] = {}
    for line in re.sub(r"\n {12,}(?! )", " ", described.replace("\n        ", "\n").replace("\n    ", " ")).split("\n"):
        words = line.split()
        if words and words[0] == "enum":
            enums[words[1]] = words[2:]
        elif words:
            name, _, body = line.partition(":")
            bodies[name.strip()] = [field.strip() for field in body.split(";") if field.strip()]
    own = {*enums, *bodies}
    used: set[str] = set()
    made = {name: descriptor_pb2.DescriptorProto(name=name) for name in bodies}
    for name, texts in bodies.items():
        message = made[name]
        if any(text.startswith("|") for text in texts):
            message.oneof_decl.add(name="stream_part")
        for text in texts:
            _add_field(message, package, text, own, enums, used)
        optional = [field for field in message.field if field.proto3_optional]
        for field in optional:
            field.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{field.name}")
    for name, values in enums.items():
        parent = made[_NESTED[name]].enum_type if name in _NESTED else file.enum_type
        enum = parent.add(name=name)
        for number, value in enumerate(values):
            enum.value.add(name=value, number=number)
    for name, message in made.items():
        if name in _NESTED:
            made[_NESTED[name]].nested_type.append(message)
    file.message_type.extend(message for name, message in made.items() if name not in _NESTED)
    file.dependency.extend(sorted(used))
    return file


def _add_field(
    message: descriptor_pb2.DescriptorProto,
    package: str,
    text: str,
    own: set[str],
    enums: dict[str, list[str]],
    used: set[str],
) -> None:
    flag = text[0] if text[0] in "*?|" else ""
    kind, name, number = text.lstrip("*?|").split()
    field = message.field.add(name=name, number=int(number))
    field.label = _FIELD.LABEL_REPEATED if flag == "*" else _FIELD.LABEL_OPTIONAL
    if flag == "|":
        field.oneof_index = 0
    field.proto3_optional = flag == "?"
    if kind.startswith("map<"):
        entry = message.nested_type.add(name="".join(part.capitalize() for part in name.split("_")) + "Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, label=_FIELD.LABEL_OPTIONAL, type=_FIELD.TYPE_STRING)
        _set_kind(
            entry.field.add(name="value", number=2, label=_FIELD.LABEL_OPTIONAL),
            package, kind[4:-1], own, enums, used,
        )  # fmt: skip
        field.label, field.type = _FIELD.LABEL_REPEATED, _FIELD.TYPE_MESSAGE
        field.type_name = f".{_ROOT}.{package}.{message.name}.{entry.name}"
        return
    _set_kind(field, package, kind, own, enums, used)


def _set_kind(
    field: descriptor_pb2.FieldDescriptorProto,
    package: str,
    kind: str,
    own: set[str],
    enums: dict[str, list[str]],
    used: set[str],
) -> None:
    if kind in _SCALARS:
        field.type = getattr(_FIELD, f"TYPE_{kind.upper()}")
        return
    field.type = _FIELD.TYPE_ENUM if kind in enums else _FIELD.TYPE_MESSAGE
    field.type_name = _name(package, kind, own)
    if kind == "any":
        used.add("google/protobuf/any.proto")
    elif "." in kind:
        used.add(f"{_ROOT}.{kind.rpartition('.')[0]}.proto")


_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(descriptor_pb2.FileDescriptorProto.FromString(any_pb2.DESCRIPTOR.serialized_pb))
for _package, _text in _FILES.items():
    _POOL.Add(_file(_package, _text))


def _class(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(name))


AudioStream = _class("nvidia_ace.controller.v1.AudioStream")
AnimationDataStream = _class("nvidia_ace.controller.v1.AnimationDataStream")
EmotionAggregate = _class("nvidia_ace.emotion_aggregate.v1.EmotionAggregate")

SUCCESS, INFO, WARNING, ERROR = range(4)
"""Codes of a status."""

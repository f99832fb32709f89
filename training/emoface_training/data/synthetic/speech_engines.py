"""The choice of a speech engine by name."""

from collections.abc import Callable, Sequence

from emoface_training.errors import OptionsError

from .speech import Speech


def engine(name: str) -> Callable[[str, Sequence[str], Sequence[float]], list[Speech]]:
    """The function ``speak(voice, texts, rates) -> list[Speech]`` of the engine called ``name``; rate 1.0 is normal."""
    if name == "flite":
        from .speech_flite import speak
    elif name == "festival":
        from .speech_festival import speak
    elif name == "espeak":
        from .speech_espeak import speak
    elif name == "kokoro":
        from .speech_kokoro import speak
    else:
        raise OptionsError(f"the speech engine {name!r}", "flite, festival, espeak or kokoro", "Choose one of them.")
    return speak

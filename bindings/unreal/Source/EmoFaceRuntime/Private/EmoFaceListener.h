#pragma once

#include "AudioDevice.h"
#include "EmoFaceTiming.h"
#include "EmoFaceVoice.h"
#include "HAL/PlatformTime.h"

/** What happens on the audio render thread: a buffer of a sound is mixed to one channel, pushed, and kept for the delayed
 * sound where there is one. No lock, no allocation. Whoever ends the voice calls Close() first. */
class FEmoFaceListener : public ISourceBufferListener
{
public:
	/** The ring is null where the sound is not delayed. */
	FEmoFaceListener(TSharedPtr<emoface::Voice> InVoice, TSharedPtr<emoface::DelayRing> InRing)
		: Voice(MoveTemp(InVoice)), Ring(MoveTemp(InRing))
	{
	}

	/** Called here for what the game pushes, too. */
	void Take(const float* Samples, int32 Frames, int32 Channels)
	{
		for (int32 First = 0; First < Frames; First += Longest)
		{
			const int32 Count = FMath::Min(Longest, Frames - First);
			emoface::mix_down(Samples + First * Channels, Count, Channels, Mono);
			const double Now = FPlatformTime::Seconds();
			if (Voice->push(Mono, Count) < 0)
			{
				continue;
			}
			Clock.buffer(Pushed, Voice->sample_rate(), Now);
			Pushed += Count;
			if (Ring)
			{
				Ring->write(Mono, Count);
			}
		}
	}

	//~ ISourceBufferListener
	virtual void OnNewBuffer(const FOnNewBufferParams& Params) override
	{
		// Another rate would need another voice: the component makes it on the game thread.
		if (Params.SampleRate != Voice->sample_rate())
		{
			WrongRate.store(Params.SampleRate);
			return;
		}
		if (Params.NumChannels > 0)
		{
			Take(Params.AudioData, Params.NumSamples / Params.NumChannels, Params.NumChannels);
		}
	}

	virtual void OnSourceReleased(const int32 SourceId) override {}

	/** No push after this; waits for one that is running. */
	void Close() { Voice->close(); }

	/** The rate of a sound that could not be taken, else 0. */
	int32 TakeWrongRate() { return WrongRate.exchange(0); }

	const emoface::StreamClock& GetClock() const { return Clock; }

private:
	static constexpr int32 Longest = 4096;

	TSharedPtr<emoface::Voice> Voice;
	TSharedPtr<emoface::DelayRing> Ring;
	emoface::StreamClock Clock;
	int64 Pushed = 0;
	std::atomic<int32> WrongRate{0};
	float Mono[Longest];
};

#pragma once

#include "CoreMinimal.h"
#include "Modules/ModuleManager.h"

#include <memory>

namespace emoface
{
struct Api;
class VoicePackage;
}

/** Loads the native library and ONNX Runtime when the engine starts, and keeps packages that are in use. */
class EMOFACERUNTIME_API FEmoFaceModule : public IModuleInterface
{
public:
	static FEmoFaceModule& Get();

	virtual void StartupModule() override;
	virtual void ShutdownModule() override;

	/** The C interface; null where the library could not be loaded, and then GetProblem() says why. */
	const emoface::Api* GetApi() const { return bLoaded ? Api.get() : nullptr; }
	const FString& GetProblem() const { return Problem; }

	/** The package at a path, loaded once however many characters use it. Game thread.
	 *
	 * @param Path  absolute, or relative to the project's Content folder; empty for the one that the plugin carries
	 * @param OutProblem  why there is none
	 */
	std::shared_ptr<emoface::VoicePackage> OpenPackage(const FString& Path, FString& OutProblem);

private:
	bool Load();

	std::shared_ptr<emoface::Api> Api;
	bool bLoaded = false;
	void* Library = nullptr;
	FString Problem;
	FString Folder;
	TMap<FString, std::weak_ptr<emoface::VoicePackage>> Packages;
};

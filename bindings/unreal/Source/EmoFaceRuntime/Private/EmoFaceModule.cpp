#include "EmoFaceModule.h"

#include "EmoFaceVoice.h"
#include "HAL/PlatformProcess.h"
#include "Interfaces/IPluginManager.h"
#include "Misc/Paths.h"

DEFINE_LOG_CATEGORY_STATIC(LogEmoFace, Log, All);

namespace
{
#if PLATFORM_WINDOWS
const TCHAR* const PlatformFolder = TEXT("Win64");
const TCHAR* const LibraryName = TEXT("emoface.dll");
const TCHAR* const OnnxRuntimeName = TEXT("onnxruntime.dll");
#else
const TCHAR* const PlatformFolder = TEXT("Linux");
const TCHAR* const LibraryName = TEXT("libemoface.so");
const TCHAR* const OnnxRuntimeName = TEXT("libonnxruntime.so");
#endif

// On any thread of the library
void ForwardLog(int32_t Level, const char* Message, void*)
{
	if (Level >= EMOFACE_LOG_ERROR)
	{
		UE_LOG(LogEmoFace, Error, TEXT("%s"), UTF8_TO_TCHAR(Message));
	}
	else if (Level == EMOFACE_LOG_WARNING)
	{
		UE_LOG(LogEmoFace, Warning, TEXT("%s"), UTF8_TO_TCHAR(Message));
	}
	else
	{
		UE_LOG(LogEmoFace, Log, TEXT("%s"), UTF8_TO_TCHAR(Message));
	}
}
}

IMPLEMENT_MODULE(FEmoFaceModule, EmoFaceRuntime)

FEmoFaceModule& FEmoFaceModule::Get()
{
	return FModuleManager::LoadModuleChecked<FEmoFaceModule>(TEXT("EmoFaceRuntime"));
}

void FEmoFaceModule::StartupModule()
{
	Folder = IPluginManager::Get().FindPlugin(TEXT("EmoFace"))->GetBaseDir();
	Api = std::make_shared<emoface::Api>();
	bLoaded = Load();
	if (!bLoaded)
	{
		UE_LOG(LogEmoFace, Error, TEXT("%s"), *Problem);
	}
}

void FEmoFaceModule::ShutdownModule()
{
	// The library stays loaded: another module may still let go of a component.
	if (bLoaded)
	{
		Api->set_log(nullptr, nullptr);
	}
}

bool FEmoFaceModule::Load()
{
	const FString Natives = FPaths::ConvertRelativePathToFull(Folder / TEXT("Source/ThirdParty/EmoFaceLibrary") / PlatformFolder);
	Library = FPlatformProcess::GetDllHandle(*(Natives / LibraryName));
	if (Library == nullptr)
	{
		Problem = FString::Printf(TEXT("got no %s in %s; expected the prebuilt library. Use the assembled plugin."), LibraryName, *Natives);
		return false;
	}
	std::string Reason;
	const auto Find = [this](const char* Name)
	{
		return FPlatformProcess::GetDllExport(Library, UTF8_TO_TCHAR(Name));
	};
	if (!emoface::load_api(Api.get(), Find, &Reason))
	{
		Problem = UTF8_TO_TCHAR(Reason.c_str());
		return false;
	}
	Api->set_log(&ForwardLog, nullptr);
	if (Api->onnxruntime_load(TCHAR_TO_UTF8(*(Natives / OnnxRuntimeName))) < 0)
	{
		Problem = UTF8_TO_TCHAR(Api->last_error());
		return false;
	}
	return true;
}

std::shared_ptr<emoface::VoicePackage> FEmoFaceModule::OpenPackage(const FString& Path, FString& OutProblem)
{
	check(IsInGameThread());
	if (GetApi() == nullptr)
	{
		OutProblem = Problem;
		return nullptr;
	}
	FString Full = Path.IsEmpty() ? Folder / TEXT("Resources/Models/default.emoface") : Path;
	if (FPaths::IsRelative(Full) && !Path.IsEmpty())
	{
		Full = FPaths::ProjectContentDir() / Path;
	}
	Full = FPaths::ConvertRelativePathToFull(Full);
	if (const std::weak_ptr<emoface::VoicePackage>* Known = Packages.Find(Full))
	{
		if (std::shared_ptr<emoface::VoicePackage> Loaded = Known->lock())
		{
			return Loaded;
		}
	}
	std::string Reason;
	std::shared_ptr<emoface::VoicePackage> Opened = emoface::VoicePackage::open(*Api, TCHAR_TO_UTF8(*Full), &Reason);
	if (Opened == nullptr)
	{
		OutProblem = UTF8_TO_TCHAR(Reason.c_str());
		return nullptr;
	}
	Packages.Add(Full, Opened);
	return Opened;
}

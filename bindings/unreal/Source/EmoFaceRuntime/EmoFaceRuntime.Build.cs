using UnrealBuildTool;

public class EmoFaceRuntime : ModuleRules
{
	public EmoFaceRuntime(ReadOnlyTargetRules Target) : base(Target)
	{
		PCHUsage = PCHUsageMode.UseExplicitOrSharedPCHs;
		PublicDependencyModuleNames.AddRange(new[] { "Core", "CoreUObject", "Engine", "AudioMixer", "LiveLinkInterface" });
		PrivateDependencyModuleNames.AddRange(new[] { "Projects", "LiveLink" });
		// Headers without the engine: compiled and tested by themselves.
		PrivateIncludePaths.Add(System.IO.Path.Combine(ModuleDirectory, "Core"));
		PrivateDependencyModuleNames.Add("EmoFaceLibrary");
	}
}

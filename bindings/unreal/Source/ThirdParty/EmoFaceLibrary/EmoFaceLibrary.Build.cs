using System.IO;
using UnrealBuildTool;

// The prebuilt library: include/emoface.h, and per platform EmoFace with ONNX Runtime beside it.
// assemble.py puts them here. The library is loaded at run time, so an import library is not needed.
public class EmoFaceLibrary : ModuleRules
{
	public EmoFaceLibrary(ReadOnlyTargetRules Target) : base(Target)
	{
		Type = ModuleType.External;
		PublicSystemIncludePaths.Add(Path.Combine(ModuleDirectory, "include"));

		string Folder = null;
		string[] Files = null;
		string Kernels = null;
		if (Target.Platform == UnrealTargetPlatform.Win64)
		{
			Folder = "Win64";
			Files = new[] { "emoface.dll", "onnxruntime.dll" };
			Kernels = "emoface_onnxruntime.dll";
		}
		else if (Target.Platform == UnrealTargetPlatform.Linux)
		{
			Folder = "Linux";
			Files = new[] { "libemoface.so", "libonnxruntime.so" };
			Kernels = "libemoface_onnxruntime.so";
		}
		if (Folder == null)
		{
			throw new BuildException("EmoFace has no library for " + Target.Platform + "; it has Win64 and Linux.");
		}
		foreach (string Name in Files)
		{
			string From = Path.Combine(ModuleDirectory, Folder, Name);
			if (!File.Exists(From))
			{
				throw new BuildException("EmoFace: " + From + " is missing. Use the assembled plugin, or run assemble.py.");
			}
			// Into the packaged game, in a folder that the module knows.
			RuntimeDependencies.Add("$(PluginDir)/Source/ThirdParty/EmoFaceLibrary/" + Folder + "/" + Name);
		}
		// EmoFace's kernels for ONNX Runtime: the library takes them where they lie beside it.
		if (File.Exists(Path.Combine(ModuleDirectory, Folder, Kernels)))
		{
			RuntimeDependencies.Add("$(PluginDir)/Source/ThirdParty/EmoFaceLibrary/" + Folder + "/" + Kernels);
		}
		RuntimeDependencies.Add("$(PluginDir)/Resources/Models/default.emoface", StagedFileType.NonUFS);
	}
}

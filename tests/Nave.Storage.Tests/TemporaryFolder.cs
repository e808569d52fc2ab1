namespace Nave.Storage.Tests;

/// <summary>A folder of one test, gone with it.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("nave-storage-");

    public string File(string name) => System.IO.Path.Combine(_folder.FullName, name);

    public string Path => _folder.FullName;

    public void Dispose() => _folder.Delete(recursive: true);
}

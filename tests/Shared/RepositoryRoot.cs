namespace Nave;

/// <summary>Finds the checkout that the tests were built from.</summary>
internal static class RepositoryRoot
{
    /// <summary>The folder that holds Nave.slnx.</summary>
    public static string Path { get; } = Find();

    private static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(folder.FullName, "Nave.slnx")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException("The tests must run inside the checkout that they were built from.");
    }
}

namespace Nave.Storage;

/// <summary>The database could not take or sync a write. Whether it happened is unknown; nothing was acknowledged.</summary>
public sealed class StorageUnavailableException(string message, Exception? cause = null) : IOException(message, cause);

/// <summary>A newer version of the program has written the data: this one must not touch it.</summary>
public sealed class NewerDataException(string message) : Exception(message);

/// <summary>The file belongs to another program, or the key file is not the one that the data was written with.</summary>
public sealed class NotOurDataException(string message) : Exception(message);

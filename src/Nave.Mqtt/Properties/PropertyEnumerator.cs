namespace Nave.Mqtt;

/// <summary>
/// Walks over properties that have been checked, without allocating:
/// <c>foreach (var property in publish.Properties)</c>.
/// </summary>
public ref struct PropertyEnumerator
{
    private BodyReader _reader;

    internal PropertyEnumerator(ReadOnlySpan<byte> properties)
    {
        _reader = new BodyReader(properties);
    }

    /// <summary>The property that the last <see cref="MoveNext"/> came to.</summary>
    public MqttProperty Current { get; private set; }

    /// <summary>Itself, for <c>foreach</c>.</summary>
    public readonly PropertyEnumerator GetEnumerator() => this;

    /// <summary>Goes to the next property.</summary>
    public bool MoveNext()
    {
        if (_reader.IsAtEnd)
        {
            return false;
        }

        Current = PropertyReader.ReadOne(ref _reader, out _);
        return true;
    }
}

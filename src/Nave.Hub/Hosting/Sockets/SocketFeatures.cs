using System.Collections;
using Microsoft.AspNetCore.Http.Features;

namespace Nave.Hub.Hosting.Sockets;

/// <summary>A connection's features: what the connection itself is, and a short list of what others have set.</summary>
/// <remarks>One thread at a time, as every feature collection. A dictionary would be most of an idle connection's memory.</remarks>
internal sealed class SocketFeatures(SocketConnection connection) : IFeatureCollection
{
    private KeyValuePair<Type, object?>[] _set = [];
    private int _count;

    /// <inheritdoc/>
    public bool IsReadOnly => false;

    /// <inheritdoc/>
    public int Revision { get; private set; }

    /// <inheritdoc/>
    public object? this[Type key]
    {
        get => IndexOf(key) is var index and >= 0 ? _set[index].Value : key.IsInstanceOfType(connection) ? connection : null;
        set
        {
            Revision++;
            var index = IndexOf(key);
            if (index < 0)
            {
                if (value is null && !key.IsInstanceOfType(connection))
                {
                    return;
                }

                if (_count == _set.Length)
                {
                    Array.Resize(ref _set, _count + 4);
                }

                index = _count++;
            }

            _set[index] = new(key, value);
        }
    }

    /// <inheritdoc/>
    public TFeature? Get<TFeature>() => (TFeature?)this[typeof(TFeature)];

    /// <inheritdoc/>
    public void Set<TFeature>(TFeature? instance) => this[typeof(TFeature)] = instance;

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<Type, object>> GetEnumerator()
    {
        for (var i = 0; i < _count; i++)
        {
            if (_set[i].Value is { } value)
            {
                yield return new(_set[i].Key, value);
            }
        }
    }

    /// <inheritdoc/>
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private int IndexOf(Type key)
    {
        for (var i = 0; i < _count; i++)
        {
            if (_set[i].Key == key)
            {
                return i;
            }
        }

        return -1;
    }
}

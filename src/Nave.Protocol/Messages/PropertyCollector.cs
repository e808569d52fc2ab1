using System.Globalization;

namespace Nave.Protocol.Messages;

/// <summary>Gathers the pairs of one bag under the names of spec/device-mqtt.md 4. A repeated key: the last one wins.</summary>
internal sealed class PropertyCollector
{
    // Up to here a walk over the list is cheaper than a dictionary; a topic has room for thousands of pairs.
    private const int IndexFrom = 8;

    // Node writes milliseconds, C# seven digits, Python six and an offset.
    private const string TimeFormat = "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK";

    private readonly List<KeyValuePair<string, string?>> _application = [];
    private Dictionary<string, int>? _index;
    private MessageProperties _system = MessageProperties.Empty;

    public MessageProperties ToProperties() =>
        _application.Count is 0 ? _system : _system with { Application = _application };

    /// <summary>Keeps case and order; a repeated key keeps its first place.</summary>
    public void SetApplication(string key, string? value)
    {
        var pair = new KeyValuePair<string, string?>(key, value);
        var at = Find(key);
        if (at >= 0)
        {
            _application[at] = pair;
            return;
        }

        _application.Add(pair);
        if (_application.Count > IndexFrom)
        {
            _index ??= IndexApplication();
            _index[key] = _application.Count - 1;
        }
    }

    /// <returns>What is wrong with the value, or null.</returns>
    public string? SetSystem(string key, string? value)
    {
        switch (key)
        {
            case "$.mid":
                if (value?.Length > HubLimits.MaxMessageIdLength)
                {
                    return $"The message id is longer than {HubLimits.MaxMessageIdLength} characters.";
                }

                _system = _system with { MessageId = value };
                return null;
            case "$.exp":
                return SetExpiry(value);
            default:
                // spec/device-mqtt.md 4: an unknown $.xyz from a device is ignored.
                _system = SetText(_system, key, value);
                return null;
        }
    }

    private static MessageProperties SetText(MessageProperties system, string key, string? value) => key switch
    {
        "$.cid" => system with { CorrelationId = value },
        "$.uid" => system with { UserId = value },
        "$.to" => system with { To = value },
        "$.ct" => system with { ContentType = value },
        "$.ce" => system with { ContentEncoding = value },
        "$.ctime" => system with { CreationTime = value },
        "$.ifid" => system with { InterfaceId = value },
        "$.sub" => system with { Component = value },
        "$.on" => system with { OutputName = value },
        "$.schema" => system with { Schema = value },
        "$.diagid" => system with { DiagnosticId = value },
        "$.diagctx" => system with { DiagnosticContext = value },
        _ => system,
    };

    private string? SetExpiry(string? value)
    {
        const DateTimeStyles Utc = DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal;
        if (value is null or "" or "0")
        {
            // spec/device-mqtt.md 6: an old Java client writes 0 for "no expiry".
            _system = _system with { ExpiryTime = null };
            return null;
        }

        if (!DateTimeOffset.TryParseExact(value, TimeFormat, CultureInfo.InvariantCulture, Utc, out var expiry))
        {
            return "The expiry time is not in ISO 8601 form.";
        }

        _system = _system with { ExpiryTime = expiry };
        return null;
    }

    private int Find(string key)
    {
        if (_index is not null)
        {
            return _index.TryGetValue(key, out var at) ? at : -1;
        }

        for (var i = 0; i < _application.Count; i++)
        {
            if (_application[i].Key == key)
            {
                return i;
            }
        }

        return -1;
    }

    private Dictionary<string, int> IndexApplication()
    {
        var index = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < _application.Count; i++)
        {
            index[_application[i].Key] = i;
        }

        return index;
    }
}

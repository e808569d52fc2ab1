using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;
using Nave.Protocol.Messages;

namespace Nave.Storage;

/// <summary>
/// A JSON tree of moments, kept short: a number is a moment in ticks, an object has its own under the empty name and those
/// below it by theirs. A JSON merge patch of the same kind changes it. Written out, every moment is a member of an object.
/// </summary>
public static class TimeTree
{
    // Of the buffer that a thread keeps: the usual tree's, not the largest one's.
    private const int MaxKeptBytes = 64 << 10;

    private static readonly JsonWriterOptions WriterOptions = new() { SkipValidation = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    [ThreadStatic]
    private static ArrayBufferWriter<byte>? _output;

    [ThreadStatic]
    private static Utf8JsonWriter? _writer;

    // What was never set, as the service writes it.
    private static ReadOnlySpan<byte> Never => "0001-01-01T00:00:00Z"u8;

    /// <summary>
    /// The tree with each moment as text in a member <paramref name="label"/>, which stands before the others. A query writes
    /// out a tree for each of its rows: so it is read as it is written, without a document in between.
    /// </summary>
    /// <param name="tree">JSON as UTF-8.</param>
    /// <param name="label">UTF-8 that needs no escape.</param>
    public static byte[] Expand(ReadOnlySpan<byte> tree, ReadOnlySpan<byte> label)
    {
        if (_output is null || _writer is null || _output.Capacity > MaxKeptBytes)
        {
            _output = new ArrayBufferWriter<byte>(1024);
            _writer = new Utf8JsonWriter(_output, WriterOptions);
        }

        _output.ResetWrittenCount();
        _writer.Reset(_output);
        var reader = new Utf8JsonReader(tree);
        reader.Read();
        Write(_writer, ref reader, label);
        _writer.Flush();
        return _output.WrittenSpan.ToArray();
    }

    // Leaves the reader at the node's last token.
    private static void Write(Utf8JsonWriter writer, ref Utf8JsonReader reader, ReadOnlySpan<byte> label)
    {
        writer.WriteStartObject();
        if (reader.TokenType is JsonTokenType.Number)
        {
            WriteTime(writer, label, reader.GetInt64());
        }
        else if (reader.TokenType is JsonTokenType.StartObject)
        {
            WriteMembers(writer, ref reader, label);
        }
        else
        {
            reader.Skip();
        }

        writer.WriteEndObject();
    }

    private static void WriteMembers(Utf8JsonWriter writer, ref Utf8JsonReader reader, ReadOnlySpan<byte> label)
    {
        var own = FindOwn(reader);
        if (own is { } ticks)
        {
            WriteTime(writer, label, ticks);
        }

        while (reader.Read() && reader.TokenType is JsonTokenType.PropertyName)
        {
            var name = reader;
            reader.Read();
            if (reader.TokenType is JsonTokenType.String)
            {
                // Rows of an earlier version are written out already, until a patch changes them.
                if (own is null && TryWriteName(writer, name))
                {
                    WriteText(writer, reader);
                }
            }
            else if (!name.ValueTextEquals(""u8) && TryWriteName(writer, name))
            {
                Write(writer, ref reader, label);
            }
            else
            {
                reader.Skip();
            }
        }
    }

    // The first member of an object that was written as a tree; of one that was written out and then patched, a later one.
    private static long? FindOwn(Utf8JsonReader reader)
    {
        while (reader.Read() && reader.TokenType is JsonTokenType.PropertyName)
        {
            var isOwn = reader.ValueTextEquals(""u8);
            reader.Read();
            if (isOwn)
            {
                return reader.GetInt64();
            }

            reader.Skip();
        }

        return null;
    }

    // Not one that is no UTF-8: it was once let in, and must not make the rest unreadable.
    private static bool TryWriteName(Utf8JsonWriter writer, in Utf8JsonReader name)
    {
        if (!name.ValueIsEscaped)
        {
            if (!Utf8.IsValid(name.ValueSpan))
            {
                return false;
            }

            writer.WritePropertyName(name.ValueSpan);
            return true;
        }

        try
        {
            writer.WritePropertyName(name.GetString()!);
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private static void WriteText(Utf8JsonWriter writer, in Utf8JsonReader text)
    {
        if (text.ValueIsEscaped)
        {
            writer.WriteStringValue(text.GetString());
        }
        else
        {
            writer.WriteStringValue(text.ValueSpan);
        }
    }

    private static void WriteTime(Utf8JsonWriter writer, ReadOnlySpan<byte> label, long ticks)
    {
        Span<byte> text = stackalloc byte[ServiceTime.Length];
        if (ticks != 0)
        {
            ServiceTime.Write(new DateTimeOffset(ticks, TimeSpan.Zero), text);
        }

        writer.WriteString(label, ticks == 0 ? Never : text);
    }
}

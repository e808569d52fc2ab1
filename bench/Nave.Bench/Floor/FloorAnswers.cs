using System.Buffers.Binary;
using Nave.Bench.Mqtt;

namespace Nave.Bench.Floor;

/// <summary>What a server that knows nothing answers to an MQTT 3.1.1 client.</summary>
internal static class FloorAnswers
{
    private static readonly byte[] ConnectAccepted = [0x20, 2, 0, 0];
    private static readonly byte[] PingAnswer = [0xd0, 0];

    /// <summary>Answers every whole packet. The answers never take more room than the packets did.</summary>
    /// <returns>How many bytes were whole packets, or negative when the connection is to end.</returns>
    public static int Write(ReadOnlySpan<byte> bytes, Span<byte> answers, out int answerBytes)
    {
        answerBytes = 0;
        var at = 0;
        while (RemainingLength.TryRead(bytes[at..], out var headerBytes, out var bodyBytes))
        {
            if (bodyBytes < 0)
            {
                return -1;
            }

            if (bytes.Length - at - headerBytes < bodyBytes)
            {
                break;
            }

            var body = bytes.Slice(at + headerBytes, bodyBytes);
            var written = Answer(bytes[at], body, answers[answerBytes..]);
            if (written < 0)
            {
                return -1;
            }

            answerBytes += written;
            at += headerBytes + bodyBytes;
        }

        return at;
    }

    private static int Answer(byte header, ReadOnlySpan<byte> body, Span<byte> answer)
    {
        switch (header)
        {
            case 0x32 or 0x3a: // PUBLISH with QoS 1.
                return AcknowledgePublish(body, answer);
            case 0x30: // PUBLISH with QoS 0.
                return 0;
            case 0x10:
                ConnectAccepted.CopyTo(answer);
                return ConnectAccepted.Length;
            case 0xc0:
                PingAnswer.CopyTo(answer);
                return PingAnswer.Length;
            default: // DISCONNECT, and what a load generator does not send.
                return -1;
        }
    }

    private static int AcknowledgePublish(ReadOnlySpan<byte> body, Span<byte> answer)
    {
        if (body.Length < 4 || BinaryPrimitives.ReadUInt16BigEndian(body) is var topicBytes && body.Length < topicBytes + 4)
        {
            return -1;
        }

        answer[0] = 0x40;
        answer[1] = 2;
        body.Slice(topicBytes + 2, 2).CopyTo(answer[2..]);
        return 4;
    }
}

using System.Net;
using Nave.Protocol.Limits;

namespace Nave.PskGateway.Limits;

/// <summary>
/// Who has to wait before a proof is looked at (spec/tls-psk.md 6): failures meet a growing delay per (identity, address)
/// and, past a credit, per address; never per identity alone, so that nobody locks a device out from elsewhere. Tables of
/// fixed size. Any thread may call.
/// </summary>
internal sealed class HandshakeLimits(TimeProvider time)
{
    private const int Sets = 4096;

    // 1, 2, 4, ... s up to five minutes; forgotten a quarter of an hour after the last failure. The first two are free:
    // a technician mistypes.
    private const int FreeFailures = 2;
    private const double LongestDelay = 300;
    private const double Memory = 900;

    // A site behind one address may have many devices with an old key; one failure is forgotten every second.
    private const int AddressCredit = 60;
    private const int MostAddressFailures = 120;
    private const double AddressForgetsPerSecond = 1;

    private readonly long _origin = time.GetTimestamp();
    private readonly BoundedTable<Pair> _pairs = new(Sets, static pair => pair.Failures);
    private readonly BoundedTable<Address> _addresses = new(Sets, static address => address.Failures);

    private double Now => time.GetElapsedTime(_origin).TotalSeconds;

    /// <summary>Whether a connection from there is taken at all.</summary>
    public bool MayConnect(IPAddress address) =>
        _addresses.Read(AddressPlace.Of(address), Now, static (ref Address entry, double now) => entry.FailuresAt(now)) < AddressCredit;

    /// <summary>Whether the proof is looked at; if not, it is none.</summary>
    public bool MayTry(ReadOnlySpan<byte> identity, IPAddress address) =>
        !_pairs.Read(PairOf(identity, address), Now, static (ref Pair entry, double now) => entry.MustWait(now));

    /// <summary>A proof was none.</summary>
    public void Failed(ReadOnlySpan<byte> identity, IPAddress address)
    {
        _pairs.Update(PairOf(identity, address), Now, static (ref Pair entry, double now) => entry.Fail(now));
        _addresses.Update(AddressPlace.Of(address), Now, static (ref Address entry, double now) => entry.Fail(now));
    }

    /// <summary>A proof was right.</summary>
    public void Succeeded(ReadOnlySpan<byte> identity, IPAddress address) =>
        _pairs.Update(PairOf(identity, address), 0, static (ref Pair entry, int _) => entry.Forget());

    // A length before the name: no name can be made to look like another's pair.
    private static string PairOf(ReadOnlySpan<byte> identity, IPAddress address)
    {
        var place = AddressPlace.Of(address);
        return $"{place.Length}:{place}{Convert.ToHexString(identity[..Math.Min(identity.Length, Keys.PskRules.MaxIdentityBytes + 1)])}";
    }

    private struct Pair
    {
        private double _failedAt;

        public int Failures { get; private set; }

        public readonly bool MustWait(double now) =>
            Failures > FreeFailures && now - _failedAt < Math.Min(Math.Pow(2, Failures - FreeFailures - 1), LongestDelay);

        public bool Fail(double now)
        {
            if (MustWait(now))
            {
                return false; // What was not looked at does not count: a device that keeps trying is let in when its key is right.
            }

            Failures = now - _failedAt < Memory ? Math.Min(Failures + 1, 30) : 1;
            _failedAt = now;
            return true;
        }

        public bool Forget()
        {
            Failures = 0;
            return true;
        }
    }

    private struct Address
    {
        private double _failures;
        private double _failedAt;

        public readonly double Failures => _failures;

        public readonly double FailuresAt(double now) => Math.Max(0, _failures - ((now - _failedAt) * AddressForgetsPerSecond));

        public bool Fail(double now)
        {
            _failures = Math.Min(FailuresAt(now) + 1, MostAddressFailures);
            _failedAt = now;
            return true;
        }
    }
}

using System.Net;
using Nave.Protocol.Identities;
using Nave.Protocol.Limits;
using Nave.Tokens.Checks;

namespace Nave.Tokens.Limits;

/// <summary>
/// Who has to wait before a credential is looked at. Failures meet a growing delay per (identity, address) and, past a
/// credit, per address: never per identity alone, so that nobody can lock a device out from somewhere else, and a pair
/// that has just proven itself passes the delay of its address. All tables are of fixed size.
/// </summary>
public sealed class AttemptLimits
{
    private const int Sets = 4096;

    // 1, 2, 4, ... s up to five minutes; forgotten a quarter of an hour after the last failure.
    private static readonly TimeSpan FirstDelay = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPairDelay = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan PairMemory = TimeSpan.FromMinutes(15);

    // A site behind one address may have twenty devices that fail; one failure is forgotten every 5 s.
    private const int AddressCredit = 20;
    private const int MostAddressFailures = 60;
    private const double AddressForgetsPerSecond = 0.2;
    private static readonly TimeSpan LongestAddressDelay = TimeSpan.FromMinutes(1);

    // A device that was right yesterday renews behind the delay of its address.
    private static readonly TimeSpan Trust = TimeSpan.FromHours(25);

    // Two answers of one pair at once are a client's retry; more would be guesses that run beside the delay.
    private const int MostPairAtOnce = 2;

    private readonly AttemptLimitOptions _options;
    private readonly TimeProvider _time;
    private readonly long _origin;
    private readonly BoundedTable<Pair> _pairs;
    private readonly BoundedTable<Address> _addresses;
    private readonly BoundedTable<Bucket> _tokens;

    /// <param name="options">Rates.</param>
    /// <param name="time">Monotonic time.</param>
    public AttemptLimits(AttemptLimitOptions options, TimeProvider time)
    {
        _options = options;
        _time = time;
        _origin = time.GetTimestamp();
        _pairs = new BoundedTable<Pair>(Sets, pair => pair.Worth(Now));
        _addresses = new BoundedTable<Address>(Sets, address => address.Failures(Now) + (address.AtOnce * 2) + address.Requests.Used(Now, options.RequestsPerMinute / 60.0));
        _tokens = new BoundedTable<Bucket>(Sets, bucket => bucket.Used(Now, options.TokensPerHour / 3600.0));
    }

    private double Now => _time.GetElapsedTime(_origin).TotalSeconds;

    /// <summary>Whether a request is looked at: null, or how long to wait. Each that is has to <see cref="Leave"/>.</summary>
    internal TimeSpan? Enter(string? identity, IPAddress address)
    {
        var now = Now;
        var place = AddressPlace.Of(address);
        var pair = PairOf(identity, place);
        var isTrusted = pair is not null && _pairs.Read(pair, now, static (ref Pair entry, double at) => entry.IsTrusted(at));
        if (_addresses.Update(place, (now, _options, isTrusted), static (ref Address entry, (double Now, AttemptLimitOptions Options, bool IsTrusted) a) =>
            entry.Enter(a.Now, a.Options, a.IsTrusted)) is { } wait)
        {
            return TimeSpan.FromSeconds(wait);
        }

        if (pair is not null
            && _pairs.Update(pair, now, static (ref Pair entry, double at) => entry.Enter(at)) is { } pairWait)
        {
            _addresses.Update(place, now, static (ref Address entry, double at) => entry.Leave(at, hasFailed: false));
            return TimeSpan.FromSeconds(pairWait);
        }

        return null;
    }

    /// <summary>A request that was looked at has its result; null where there is none because it was given up.</summary>
    internal void Leave(string? identity, IPAddress address, CheckResult? result)
    {
        var now = Now;
        var place = AddressPlace.Of(address);
        var hasFailed = result is CheckResult.Refused;
        _addresses.Update(place, (now, hasFailed), static (ref Address entry, (double Now, bool HasFailed) a) => entry.Leave(a.Now, a.HasFailed));
        if (PairOf(identity, place) is { } pair)
        {
            _pairs.Update(pair, (now, hasFailed, result is CheckResult.Granted), static (ref Pair entry, (double Now, bool HasFailed, bool IsRight) a) =>
                entry.Leave(a.Now, a.HasFailed, a.IsRight));
        }
    }

    /// <summary>One more token for the device: null, or how long to wait.</summary>
    internal TimeSpan? TakeToken(DeviceId device) => _options.TokensPerHour <= 0 ? null
        : _tokens.Update(device.Value, (Now, _options.TokensPerHour), static (ref Bucket entry, (double Now, int Limit) a) =>
            entry.Take(a.Now, a.Limit, a.Limit / 3600.0)) is { } wait ? TimeSpan.FromSeconds(wait) : null;

    // A length before the name: no name can be made to look like another's pair.
    private static string? PairOf(string? identity, string place) => identity is null ? null : $"{place.Length}:{place}{identity}";

    private struct Pair
    {
        private int _failures;
        private int _atOnce;
        private double _failedAt;
        private double? _rightAt;

        public double Worth(double now) =>
            (now - _failedAt < PairMemory.TotalSeconds ? _failures * 2 : 0) + (_atOnce > 0 ? 4 : 0) + (IsTrusted(now) ? 1 : 0);

        public readonly bool IsTrusted(double now) => _rightAt is { } at && now - at < Trust.TotalSeconds && _failures == 0;

        public double? Enter(double now)
        {
            if (now - _failedAt >= PairMemory.TotalSeconds)
            {
                _failures = 0;
            }

            var delay = Math.Min(FirstDelay.TotalSeconds * Math.Pow(2, _failures - 1), LongestPairDelay.TotalSeconds);
            if (_failures > 0 && _failedAt + delay - now is var wait and > 0)
            {
                return wait;
            }

            if (_atOnce >= MostPairAtOnce)
            {
                return FirstDelay.TotalSeconds;
            }

            _atOnce++;
            return null;
        }

        public bool Leave(double now, bool hasFailed, bool isRight)
        {
            _atOnce = Math.Max(0, _atOnce - 1);
            if (hasFailed)
            {
                _failures = Math.Min(_failures + 1, 30);
                _failedAt = now;
            }
            else if (isRight)
            {
                _failures = 0;
                _rightAt = now;
            }

            return true;
        }
    }

    private struct Address
    {
        private double _failures;
        private double _failedAt;

        public int AtOnce { get; private set; }

        public Bucket Requests;

        public readonly double Failures(double now) => Math.Max(0, _failures - ((now - _failedAt) * AddressForgetsPerSecond));

        public double? Enter(double now, AttemptLimitOptions options, bool isTrusted)
        {
            if (AtOnce >= options.MostAtOncePerAddress)
            {
                return FirstDelay.TotalSeconds;
            }

            // What is being looked at counts as failed until it is known better: guesses side by side gain nothing.
            var failures = Failures(now);
            var over = failures + AtOnce - AddressCredit;
            if (!isTrusted && failures > 0 && over > 0)
            {
                var delay = Math.Min(FirstDelay.TotalSeconds * Math.Pow(2, Math.Min(over, 6)), LongestAddressDelay.TotalSeconds);
                if (_failedAt + delay - now is var wait and > 0)
                {
                    return wait;
                }
            }

            if (options.RequestsPerMinute > 0 && Requests.Take(now, options.RequestsPerMinute, options.RequestsPerMinute / 60.0) is { } full)
            {
                return full;
            }

            AtOnce++;
            return null;
        }

        public bool Leave(double now, bool hasFailed)
        {
            AtOnce = Math.Max(0, AtOnce - 1);
            if (hasFailed)
            {
                _failures = Math.Min(Failures(now) + 1, MostAddressFailures);
                _failedAt = now;
            }

            return true;
        }
    }

    private struct Bucket
    {
        private double _used;
        private double _at;

        public readonly double Used(double now, double perSecond) => Math.Max(0, _used - ((now - _at) * perSecond));

        public double? Take(double now, double limit, double perSecond)
        {
            var used = Used(now, perSecond);
            if (used + 1 > limit)
            {
                return (used + 1 - limit) / perSecond;
            }

            (_used, _at) = (used + 1, now);
            return null;
        }
    }
}

/// <summary>Rates; 0 lifts one.</summary>
public sealed record AttemptLimitOptions
{
    /// <summary>Requests of one address a minute.</summary>
    public int RequestsPerMinute { get; init; } = 600;

    /// <summary>Tokens for one device an hour.</summary>
    public int TokensPerHour { get; init; } = 120;

    /// <summary>Requests of one address that are looked at at once.</summary>
    public int MostAtOncePerAddress { get; init; } = 64;
}

using System.Text;
using Amqp;
using Amqp.Types;
using Nave.Hub.Devices;
using Nave.Hub.Tests.Harness;
using Nave.Protocol.Access;
using Nave.Protocol.Identities;

namespace Nave.Hub.Tests.Heads.Amqp;

/// <summary>What tests ask of a hub beside its ports.</summary>
internal static class DeviceHub
{
    public static Task<TestHub> StartAsync(Action<global::Nave.Hub.Hosting.HubOptions>? configure = null) => TestHub.StartAsync(options =>
    {
        options.Events.Partitions = 1;
        options.Access.ClockSkew = TimeSpan.Zero;
        configure?.Invoke(options);
    });

    public static async Task<DeviceIdentity> CreateAsync(this TestHub hub, string device, string? module = null)
    {
        var id = new IdentityId(DeviceId.Parse(device), module is null ? null : ModuleId.Parse(module));
        var outcome = await hub.Get<DeviceRegistry>().CreateAsync(new IdentityDraft(id), TestContext.Current.CancellationToken);
        Assert.True(outcome.TryGet(out var identity, out var failure), failure?.ToString());
        return identity;
    }

    public static async Task SetEnabledAsync(this TestHub hub, DeviceIdentity device, bool isEnabled)
    {
        var draft = new IdentityDraft(device.Id)
        {
            IsEnabled = isEnabled,
            Authentication = new AuthenticationDraft
            {
                Type = "sas",
                PrimaryKey = device.Authentication.PrimaryKey,
                SecondaryKey = device.Authentication.SecondaryKey,
            },
        };
        var outcome = await hub.Get<DeviceRegistry>().UpdateAsync(draft, ETagCondition.Any, TestContext.Current.CancellationToken);
        Assert.True(outcome.TryGet(out _, out var failure), failure?.ToString());
    }

    public static string DeviceToken(this TestHub hub, DeviceIdentity device, TimeSpan? life = null) => SasToken.Mint(
        hub.HostName + device.Id.ToPath(), device.Authentication.PrimaryKey!, TimeProvider.System.GetUtcNow() + (life ?? TimeSpan.FromHours(1)));

    public static string PolicyToken(this TestHub hub, string policy, string path = "", TimeSpan? life = null) => SasToken.Mint(
        hub.HostName + path, hub.PolicyKey(policy), TimeProvider.System.GetUtcNow() + (life ?? TimeSpan.FromHours(1)), policy);

    public static string PolicyKey(this TestHub hub, string policy)
    {
        var text = hub.Connection.Policies[policy];
        const string mark = "SharedAccessKey=";
        return text[(text.IndexOf(mark, StringComparison.Ordinal) + mark.Length)..];
    }

    public static string Text(this Message message) => Encoding.UTF8.GetString((byte[])message.Body);

    public static object? Annotation(this Message message, string name) => message.MessageAnnotations[new Symbol(name)];
}

using Nave.Hub.Access;
using Nave.Hub.Devices;
using Nave.Hub.Telemetry;
using Nave.Protocol.Access;
using Nave.Protocol.Identities;

namespace Nave.Hub.Hosting;

/// <summary>
/// Brings the hub's policies and authorities into memory, and creates what the configuration file's <c>Seed</c> asks for
/// and is absent; overwrites only when told to.
/// </summary>
internal sealed class HubSeeding(PolicyRegistry policies, CertificateAuthorities authorities, DeviceRegistry registry, ConsumerGroupStore groups)
{
    /// <summary>Runs before the ports open.</summary>
    /// <exception cref="StartFailureException">The seed breaks a rule.</exception>
    public async Task RunAsync(HubSeed seed, CancellationToken stopping)
    {
        try
        {
            await policies.LoadAsync([.. seed.Policies.Select(Translate)], seed.Overwrite, stopping);
        }
        catch (ArgumentException e)
        {
            throw new StartFailureException($"Seed:Policies: {e.Message}", e) { IsUsage = true };
        }

        await authorities.LoadAsync(stopping);
        await groups.LoadAsync(stopping);
        foreach (var group in seed.ConsumerGroups)
        {
            if (await groups.CreateAsync(group, stopping) is { } failure)
            {
                throw new StartFailureException($"Seed:ConsumerGroups: '{group}': {failure.Message}") { IsUsage = true };
            }
        }

        foreach (var device in seed.Devices)
        {
            var draft = Translate(device);
            await PutAsync(draft, seed.Overwrite, stopping);
            foreach (var module in device.Modules)
            {
                await PutAsync(Translate(draft.Id.Device, module), seed.Overwrite, stopping);
            }
        }
    }

    private async Task PutAsync(IdentityDraft draft, bool overwrite, CancellationToken stopping)
    {
        var isThere = await registry.FindAsync(draft.Id, stopping) is not null;
        if (isThere && !overwrite)
        {
            return;
        }

        var outcome = isThere
            ? await registry.UpdateAsync(draft, ETagCondition.Any, stopping)
            : await registry.CreateAsync(draft, stopping);
        if (!outcome.TryGet(out _, out var failure))
        {
            throw new StartFailureException($"Seed:Devices: '{draft.Id}': {failure.Message}") { IsUsage = true };
        }
    }

    private static IdentityDraft Translate(SeedDevice device) => new(new IdentityId(IdOf(device.DeviceId)))
    {
        IsEnabled = device.IsEnabled,
        Authentication = new AuthenticationDraft
        {
            Type = device.CertificateAuthority ? "certificateAuthority"
                : device.PrimaryThumbprint is not null || device.SecondaryThumbprint is not null ? "selfSigned"
                : "sas",
            PrimaryKey = device.PrimaryKey,
            SecondaryKey = device.SecondaryKey ?? device.PrimaryKey,
            PrimaryThumbprint = device.PrimaryThumbprint,
            SecondaryThumbprint = device.SecondaryThumbprint,
        },
    };

    private static IdentityDraft Translate(DeviceId device, SeedModule module) => new(new IdentityId(device, ModuleOf(module.ModuleId)))
    {
        Authentication = new AuthenticationDraft
        {
            Type = "sas",
            PrimaryKey = module.PrimaryKey,
            SecondaryKey = module.SecondaryKey ?? module.PrimaryKey,
        },
    };

    private static DeviceId IdOf(string text) => DeviceId.TryParse(text, out var id) ? id : throw Wrong(text);

    private static ModuleId ModuleOf(string text) => ModuleId.TryParse(text, out var id) ? id : throw Wrong(text);

    private static StartFailureException Wrong(string id) =>
        new($"Seed:Devices: '{id}' cannot be an id: {IdentityText.Rule}.") { IsUsage = true };

    private static PolicySeed Translate(SeedPolicy policy)
    {
        AccessRights? rights = null;
        if (policy.Rights is { } text)
        {
            rights = AccessRightsText.TryParse(text, out var parsed) ? parsed : throw new StartFailureException(
                $"Seed:Policies: '{text}' are not rights of '{policy.Name}'; known are RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect.")
            { IsUsage = true };
        }

        return new PolicySeed(policy.Name, rights, policy.PrimaryKey, policy.SecondaryKey);
    }
}

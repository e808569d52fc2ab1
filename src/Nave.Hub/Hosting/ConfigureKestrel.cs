using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;

namespace Nave.Hub.Hosting;

/// <summary>Puts the hub's listeners into Kestrel, each with the head that serves it.</summary>
internal sealed class ConfigureKestrel(Listeners listeners) : IConfigureOptions<KestrelServerOptions>
{
    /// <inheritdoc/>
    public void Configure(KestrelServerOptions options)
    {
        options.AddServerHeader = false;
        foreach (var endPoint in listeners.EndPoints())
        {
            if (endPoint.Serves is not (HubPort.Operator))
            {
                continue;
            }

            options.Listen(endPoint, listener => listeners.Mark(listener, endPoint.Serves));
        }
    }
}

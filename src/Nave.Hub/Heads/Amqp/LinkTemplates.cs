using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Amqp;

/// <summary>Takes the links of one kind of address.</summary>
internal interface ILinkHandler
{
    /// <summary>Accepts or refuses the link, now.</summary>
    void Attach(LinkRequest request);
}

/// <summary>
/// Address to handler, first match wins (spec/device-amqp.md 4.1, spec/service-amqp.md, spec/events-endpoint.md 1). A
/// word matches itself without case, <c>*</c> one segment, a final <c>**</c> any rest.
/// </summary>
internal sealed class LinkTemplates(IReadOnlyList<LinkTemplate> templates)
{
    /// <summary>Hands the link to its handler; nothing but <c>$cbs</c> attaches before the peer has proven something.</summary>
    public void Attach(LinkRequest request)
    {
        if (request.Address is not { } address)
        {
            request.Refuse(HubFailures.AddressNotFound.Saying("The link has no address."));
            return;
        }

        foreach (var template in templates)
        {
            if (template.Matches(address))
            {
                template.Handler.Attach(request);
                return;
            }
        }

        // Strangers learn nothing of what there is and what not.
        request.Refuse(request.Connection.Grants.IsEmpty
            ? HubFailures.Unauthorized
            : HubFailures.AddressNotFound.Saying($"The messaging entity '{address}' could not be found."));
    }
}

/// <summary>One row of the table.</summary>
internal sealed class LinkTemplate(string pattern, ILinkHandler handler)
{
    private readonly string[] _pattern = pattern.Split('/');

    public ILinkHandler Handler { get; } = handler;

    public bool Matches(LinkAddress address)
    {
        for (var i = 0; i < _pattern.Length; i++)
        {
            if (_pattern[i] == "**")
            {
                return true;
            }

            if (i >= address.Segments.Count || (_pattern[i] != "*" && !address.Is(i, _pattern[i])))
            {
                return false;
            }
        }

        return address.Segments.Count == _pattern.Length;
    }
}

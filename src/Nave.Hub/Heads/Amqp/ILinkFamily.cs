namespace Nave.Hub.Heads.Amqp;

/// <summary>Rows that a feature adds to the table of <see cref="LinkTemplates"/>; they match before the refusals of what is unbuilt.</summary>
internal interface ILinkFamily
{
    /// <summary>The rows.</summary>
    IEnumerable<LinkTemplate> Templates { get; }
}

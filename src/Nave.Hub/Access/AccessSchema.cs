using Nave.Storage.Schema;

namespace Nave.Hub.Access;

/// <summary>The tables of shared access policies and of devices' certificate authorities.</summary>
internal static class AccessSchema
{
    /// <summary>For opening the database.</summary>
    public static SchemaPart Part { get; } = new("access", [Version1]);

    // name_key is the name in lower case: names are compared without case, and databases differ in how they do that.
    private const string Version1 = """
        CREATE TABLE policies (
            name_key       {text} NOT NULL PRIMARY KEY,
            name           {text} NOT NULL,
            rights         {text} NOT NULL,
            primary_key    {blob} NOT NULL,
            secondary_key  {blob} NOT NULL,
            device_pattern {text},
            addresses      {text} NOT NULL,
            version        {long} NOT NULL,
            created        {long} NOT NULL,
            updated        {long} NOT NULL
        ) {keyed};

        CREATE TABLE authorities (
            name_key          {text} NOT NULL PRIMARY KEY,
            name              {text} NOT NULL,
            certificate       {blob} NOT NULL,
            subject           {text} NOT NULL,
            not_after         {long} NOT NULL,
            is_verified       {long} NOT NULL,
            verification_code {text},
            version           {long} NOT NULL,
            created           {long} NOT NULL,
            updated           {long} NOT NULL
        ) {keyed};
        """;
}

namespace Nave.Storage.Schema;

/// <summary>
/// The tables of one feature: its name and its migrations, oldest first, each one statement or several. A part's version
/// is how many of them have run. Forward only: what has been released is never edited, a change is appended.
/// </summary>
/// <param name="Name">Lower case, kept in the database.</param>
/// <param name="Migrations">Statements with the dialect's words in braces (<see cref="SqlDialect.Translate"/>).</param>
public sealed record SchemaPart(string Name, IReadOnlyList<string> Migrations);

using System.Globalization;
using System.Text;

namespace Nave.Bench.Load;

/// <summary>Text with holes that each connection fills: <c>{id}</c> its device id, <c>{n}</c> its number from 0.</summary>
internal sealed class Template
{
    private readonly List<string> _parts = []; // Even places are text, odd ones names of holes.

    public Template(string text)
    {
        var at = 0;
        while (text.IndexOf('{', at) is var open && open >= 0)
        {
            var close = text.IndexOf('}', open);
            if (close < 0)
            {
                throw new FormatException($"\"{text}\" has a {{ without a }}");
            }

            var hole = text[(open + 1)..close];
            if (hole is not ("id" or "n"))
            {
                throw new FormatException($"\"{text}\" has the unknown hole {{{hole}}}: only {{id}} and {{n}} are filled");
            }

            _parts.Add(text[at..open]);
            _parts.Add(hole);
            at = close + 1;
        }

        _parts.Add(text[at..]);
    }

    public string Fill(string id, int number)
    {
        var filled = new StringBuilder();
        for (var i = 0; i < _parts.Count; i++)
        {
            filled.Append(i % 2 is 0 ? _parts[i]
                : _parts[i] is "id" ? id
                : number.ToString(CultureInfo.InvariantCulture));
        }

        return filled.ToString();
    }
}

using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Serialization;

namespace TokenDevice;

/// <summary>What the token service gives for the device's own credential.</summary>
internal sealed record IssuedToken(string HostName, string DeviceId, string Token, DateTimeOffset ExpiresAt, DateTimeOffset RenewAt);

/// <summary>Asks the token service, as patiently as it wishes.</summary>
internal sealed class TokenClient(HttpClient http, Uri service, string identity, string secret)
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(1);

    /// <summary>A token; a refused credential throws, anything else is tried again.</summary>
    public async Task<IssuedToken> AskAsync(CancellationToken stopping)
    {
        while (true)
        {
            var wait = TimeSpan.FromSeconds(5);
            try
            {
                using var answer = await http.PostAsJsonAsync(service, new Question(identity, secret), TokenJson.Default.Question, stopping);
                if (answer.IsSuccessStatusCode)
                {
                    return await answer.Content.ReadFromJsonAsync(TokenJson.Default.IssuedToken, stopping)
                        ?? throw new InvalidOperationException("The token service sent nothing.");
                }

                if (answer.StatusCode is not (HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable))
                {
                    throw new InvalidOperationException($"The token service refused: {(int)answer.StatusCode}. Is the credential right?");
                }

                wait = answer.Headers.RetryAfter?.Delta ?? wait;
            }
            catch (HttpRequestException e)
            {
                await Console.Error.WriteLineAsync($"The token service cannot be reached: {e.Message}");
            }

            await Task.Delay(wait < LongestWait ? wait : LongestWait, TimeProvider.System, stopping);
        }
    }
}

/// <summary>What is asked.</summary>
internal sealed record Question(string Identity, string Secret);

/// <summary>JSON without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(Question))]
[JsonSerializable(typeof(IssuedToken))]
internal sealed partial class TokenJson : JsonSerializerContext;

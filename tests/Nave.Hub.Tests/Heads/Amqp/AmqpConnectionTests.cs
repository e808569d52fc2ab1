using Amqp;
using Amqp.Framing;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Amqp;

/// <summary>Token node and the end of a hub as devices and back ends meet them, against a whole hub.</summary>
public sealed class AmqpConnectionTests
{
    [Fact]
    [Conformance("device-amqp", 3)]
    [Conformance("service-amqp", 1, 5)]
    public async Task Put_token_answers_whatever_the_name_the_type_and_the_reply_address_are()
    {
        await using var hub = await DeviceHub.StartAsync();
        var device = await hub.CreateAsync("dev-1");
        await using var client = await AmqpDeviceClient.ConnectAsync(hub);
        var sender = new SenderLink(client.Session, "cbs-out", "$cbs");
        var replies = await client.ReceiverAsync("$cbs"); // Its target has no address.
        replies.Grant(10);
        object[] ids = ["text", new Guid("0F8FAD5B-D9CB-469F-A165-70867728950E"), 17ul];
        string[] names = [$"{hub.HostName}/devices/dev-1", $"{hub.HostName}%2Fdevices%2Fdev-1", $"amqps://{hub.HostName}:5671/devices/dev-1"];
        foreach (var (id, name) in ids.Zip(names))
        {
            var request = new Message
            {
                Properties = new Properties { ReplyTo = "cbs" },
                ApplicationProperties = new ApplicationProperties { ["operation"] = "put-token", ["type"] = "azure-devices.net:sastoken", ["name"] = name },
                BodySection = new AmqpValue { Value = hub.DeviceToken(device) },
            };
            request.Properties.SetMessageId(id);
            await sender.SendAsync(request).WaitAsync(AmqpDeviceClient.Patience);
            var reply = await replies.NextAsync();
            Assert.Equal(200, Assert.IsType<int>(reply.ApplicationProperties["status-code"]));
            Assert.Equal(id, reply.Properties.GetCorrelationId());
        }
    }

    [Fact]
    [Conformance("service-amqp", 2)]
    public async Task Sasl_plain_of_a_policy_needs_no_token_and_a_wrong_one_ends_the_connection()
    {
        await using var hub = await DeviceHub.StartAsync();
        await hub.CreateAsync("dev-1");
        var user = $"service@sas.root.{hub.HostName.Split('.')[0]}";
        await using var client = await AmqpDeviceClient.ConnectAsync(hub, user, hub.PolicyToken("service"));
        var sender = await client.SenderAsync("/messages/devicebound");
        var command = new Message { Properties = new Properties { To = "/devices/dev-1/messages/devicebound" }, BodySection = new Data { Binary = [1] } };
        Assert.Null(await sender.SendAsync(command));
        await Assert.ThrowsAnyAsync<Exception>(() => AmqpDeviceClient.ConnectAsync(hub, user, hub.PolicyToken("device")));
    }

    [Fact]
    public async Task A_stopping_hub_ends_sessions_so_that_clients_come_again()
    {
        var hub = await DeviceHub.StartAsync();
        var ended = new TaskCompletionSource<Error?>(TaskCreationOptions.RunContinuationsAsynchronously);
        var closed = new TaskCompletionSource<Error?>(TaskCreationOptions.RunContinuationsAsynchronously);
        try
        {
            var device = await hub.CreateAsync("dev-1");
            var client = await AmqpDeviceClient.ConnectDeviceAsync(hub, device);
            Assert.Null(await (await client.SenderAsync("/devices/dev-1/messages/events")).SendAsync("hello"));
            client.Session.AddClosedCallback((_, error) => ended.TrySetResult(error));
            client.Connection.AddClosedCallback((_, error) => closed.TrySetResult(error));
        }
        finally
        {
            await hub.DisposeAsync();
        }

        Assert.Equal("amqp:internal-error", (string?)(await ended.Task.WaitAsync(AmqpDeviceClient.Patience))?.Condition);
        Assert.Equal("amqp:connection:forced", (string?)(await closed.Task.WaitAsync(AmqpDeviceClient.Patience))?.Condition);
    }
}

namespace Nave.Hub.Queries;

/// <summary>Who keeps the heartbeat states that <c>monitor.state</c> reads in SQL.</summary>
internal interface IMonitorStates
{
    /// <summary>Completes when the transitions found until now are in SQL, or after a moment: then what is there counts.</summary>
    Task FlushAsync();
}

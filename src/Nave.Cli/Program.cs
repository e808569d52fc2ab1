using Nave.Cli;

return await Tool.RunAsync(args);

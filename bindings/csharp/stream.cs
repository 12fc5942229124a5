// Streams a recording through a delegate and prints how many reports it has and a digest of them (FNV-1a, 64 bits).
//
//     mcs -out:stream.exe bindings/csharp/stream.cs
//     LD_LIBRARY_PATH=PREFIX/lib mono stream.exe RECORDING
//
// The structures are those of abi/abi.json; the library's own sizes are compared before anything is done with them.
using System;
using System.Runtime.InteropServices;
using System.Threading;

static class Dmf
{
    const string Library = "libdmf.so.0";

    public const int RequestTypeRead = 3, BackAndContinue = 1, BackAndStop = 2;

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    public delegate int BufferOutput(IntPtr module, IntPtr report, UIntPtr size, IntPtr context, int status);

    [StructLayout(LayoutKind.Sequential)]
    public struct ReplayParams
    {
        public uint Size;
        public double Speed;
        public uint Repeat;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct ModuleAttributes
    {
        public uint SizeOfHeader;
        public IntPtr ModuleConfigPointer;
        public uint SizeOfModuleSpecificConfig;
        public IntPtr InstanceCreator, ClientCallbacks, ResultantDmfModule, ClientModuleInstanceName;
        public byte DynamicModuleImmediate, DynamicModule;
        public IntPtr TransportModuleAdd;
        public byte PassiveLevel, IsTransportModule;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct StreamConfig
    {
        public uint ContinuousRequestCount, BufferCountInput, BufferCountOutput;
        public int RequestType;
        public uint BufferInputSize, BufferContextInputSize, BufferOutputSize, BufferContextOutputSize;
        public uint EnableLookAsideOutput;
        public int PoolTypeInput, PoolTypeOutput;
        public IntPtr EvtBufferInput, EvtBufferOutput;
        public uint Ioctl;
        public byte PurgeAndStartTarget, CancelAndResendRequest;
        public int Mode;
    }

    [DllImport(Library)] public static extern int DMF_Device_Create(IntPtr attributes, out IntPtr device);
    [DllImport(Library)] public static extern int DMF_IoTarget_ReplayOpen(IntPtr device,
        [MarshalAs(UnmanagedType.LPStr)] string path, ref ReplayParams parameters, out IntPtr target);
    // The attributes point to the config, so both stay at one place.
    [DllImport(Library)] public static extern void DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(IntPtr config,
        IntPtr attributes);
    [DllImport(Library)] public static extern int DMF_ContinuousRequestTarget_Create(IntPtr device, IntPtr attributes,
        IntPtr objectAttributes, out IntPtr module);
    [DllImport(Library)] public static extern int DMF_ContinuousRequestTarget_IoTargetSet(IntPtr module, IntPtr target);
    [DllImport(Library)] public static extern int DMF_ContinuousRequestTarget_Start(IntPtr module);
    [DllImport(Library)] public static extern uint DMF_ContinuousRequestTarget_StreamingCountGet(IntPtr module);
    [DllImport(Library)] public static extern void WdfObjectDelete(IntPtr handle);
    [DllImport(Library)] static extern IntPtr DMF_LastErrorMessageGet();

    public static void Check(int status)
    {
        if (status < 0)
            throw new InvalidOperationException(Marshal.PtrToStringAnsi(DMF_LastErrorMessageGet()));
    }
}

static class Program
{
    // Written on the target's thread, read once the stream is deleted.
    static ulong digest = 0xcbf29ce484222325;
    static uint reports;
    // Static, or the garbage collector takes it while the library still calls it.
    static readonly Dmf.BufferOutput arrived = ReportArrived;

    static int ReportArrived(IntPtr module, IntPtr report, UIntPtr size, IntPtr context, int status)
    {
        if (status < 0)
            return Dmf.BackAndStop;
        for (int i = 0; i < (int)size; i++)
            digest = unchecked((digest ^ Marshal.ReadByte(report, i)) * 0x100000001b3);
        reports++;
        return Dmf.BackAndContinue;
    }

    static int Main(string[] arguments)
    {
        IntPtr config = Marshal.AllocHGlobal(1024), attributes = Marshal.AllocHGlobal(1024);
        Dmf.DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(config, attributes);
        var header = Marshal.PtrToStructure<Dmf.ModuleAttributes>(attributes);
        if (header.SizeOfHeader != Marshal.SizeOf<Dmf.ModuleAttributes>() ||
            header.SizeOfModuleSpecificConfig != Marshal.SizeOf<Dmf.StreamConfig>())
            throw new InvalidOperationException("the structures are not the library's");

        var settings = Marshal.PtrToStructure<Dmf.StreamConfig>(config);
        settings.RequestType = Dmf.RequestTypeRead;
        settings.ContinuousRequestCount = 1;
        settings.BufferCountOutput = 2;
        settings.BufferOutputSize = 64;
        settings.EvtBufferOutput = Marshal.GetFunctionPointerForDelegate(arrived);
        Marshal.StructureToPtr(settings, config, false);

        IntPtr device, target, stream;
        var pace = new Dmf.ReplayParams { Size = (uint)Marshal.SizeOf<Dmf.ReplayParams>(), Speed = 0, Repeat = 1 };
        Dmf.Check(Dmf.DMF_Device_Create(IntPtr.Zero, out device));
        Dmf.Check(Dmf.DMF_IoTarget_ReplayOpen(device, arguments[0], ref pace, out target));
        Dmf.Check(Dmf.DMF_ContinuousRequestTarget_Create(device, attributes, IntPtr.Zero, out stream));
        Dmf.Check(Dmf.DMF_ContinuousRequestTarget_IoTargetSet(stream, target));
        Dmf.Check(Dmf.DMF_ContinuousRequestTarget_Start(stream));
        while (Dmf.DMF_ContinuousRequestTarget_StreamingCountGet(stream) > 0)
            Thread.Sleep(1);
        Dmf.WdfObjectDelete(device);
        Marshal.FreeHGlobal(config);
        Marshal.FreeHGlobal(attributes);
        Console.WriteLine("{0} reports {1:x16}", reports, digest);
        return 0;
    }

}

using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;

namespace SetNsLastPid.Tests.Support;

#pragma warning disable CS8981 // C's names are lower case.

/// <summary>A client of the server, written from its protocol alone: it shares no code with it.</summary>
internal static unsafe class Asking
{
    private const int CLONE_VM = 0x100, CLONE_VFORK = 0x4000, __WALL = 0x40000000;
    private const int SIGCHLD = 17, SOL_SOCKET = 1, SCM_RIGHTS = 1;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    // Prints: how many were refused, how many forks got another PID.
    internal static int Fork(string server, int count, int step)
    {
        using Socket socket = Open("", server);
        int max = Read("/proc/sys/kernel/pid_max"), pid = Math.Max(5000, Read("/proc/sys/kernel/ns_last_pid"));
        byte* stack = (byte*)NativeMemory.AlignedAlloc(16384, 16) + 16384 - 64;
        void* function = (void*)NativeLibrary.GetExport(NativeLibrary.Load("libc.so.6"), "labs");
        // Whatever the runtime does at a first call is done before.
        _ = Ask(socket, pid);
        _ = waitpid(clone(function, stack, CLONE_VM | CLONE_VFORK | SIGCHLD, null), null, __WALL);
        int refused = 0, wrong = 0;
        for (int i = 0; i < count; i++)
        {
            pid += step;
            pid = pid >= max - 1 ? pid - max + 1000 : pid;
            if (Ask(socket, pid) != 0)
            {
                refused++;
                continue;
            }

            int child = clone(function, stack, CLONE_VM | CLONE_VFORK | SIGCHLD, null);
            wrong += child == pid + 1 ? 0 : 1;
            _ = waitpid(child, null, __WALL);
        }

        Console.WriteLine($"{refused} {wrong}");
        return 0;
    }

    // Prints the answers to requests of these lengths, the first of them, which has four bytes, for that PID. A
    // client bound to "" has an abstract address, one to "-" none. After a length with a '-' it waits for no answer.
    internal static int Send(string client, string server, int pid, string[] lengths)
    {
        using Socket socket = Open(client, server);
        foreach (string length in lengths)
        {
            byte[] datagram = new byte[int.Parse(length.TrimEnd('-'))];
            _ = datagram.Length >= 4 && BitConverter.TryWriteBytes(datagram, pid);
            _ = socket.Send(datagram);
            if (!length.EndsWith('-'))
            {
                Console.WriteLine(client == "-" ? "sent" : Receive(socket));
            }
        }

        return 0;
    }

    // Prints a line when the request is sent, and the answer.
    internal static int Wait(string server, int pid)
    {
        using Socket socket = Open("", server);
        _ = socket.Send(BitConverter.GetBytes(pid));
        Console.WriteLine("sent");
        Console.WriteLine($"answer {Receive(socket)}");
        return 0;
    }

    // Random datagrams from several senders, most of which read their answers now and then. Prints how many.
    internal static int Fuzz(string server, int count, int seed)
    {
        Random random = new(seed);
        string directory = Path.GetDirectoryName(server)!;
        Socket[] senders = [Open("", server), Open("", server), Open(directory + "/fuzz", server), Open("-", server), Open("", server)];
        byte[] bytes = new byte[65507], answers = new byte[16];
        for (int i = 0; i < count; i++)
        {
            // Most short, where the edges are; of the long ones enough.
            int length = random.Next(20) switch { 0 => random.Next(65508), < 8 => random.Next(64), _ => random.Next(9) };
            random.NextBytes(bytes.AsSpan(0, length));
            Socket sender = senders[random.Next(senders.Length)];
            _ = sender.Send(bytes, length, SocketFlags.None);
            // The last one never reads.
            while (sender != senders[^1] && sender.Available > 0)
            {
                _ = sender.Receive(answers);
            }
        }

        Console.WriteLine(count);
        return 0;
    }

    // Datagrams that carry descriptors.
    internal static int SendDescriptors(string server, int count)
    {
        using Socket socket = Open("", server);
        int sent = 0;
        for (int i = 0; i < count; i++)
        {
            uint pid = 700;
            iovec vector = new() { iov_base = &pid, iov_len = 4 };
            long* control = stackalloc long[4];
            control[0] = 16 + 4;
            ((int*)control)[2] = SOL_SOCKET;
            ((int*)control)[3] = SCM_RIGHTS;
            ((int*)control)[4] = 0;
            msghdr message = new() { msg_iov = &vector, msg_iovlen = 1, msg_control = control, msg_controllen = 24 };
            sent += sendmsg((int)socket.Handle, &message, 0) == 4 ? 1 : 0;
            if (sent > 0)
            {
                _ = Receive(socket);
            }
        }

        Console.WriteLine(sent);
        return 0;
    }

    // Sends without reading answers until it is killed; prints a line before.
    internal static int Flood(string server)
    {
        using Socket socket = Open("", server);
        byte[] request = BitConverter.GetBytes(900);
        Console.WriteLine("flooding");
        while (true)
        {
            _ = socket.Send(request);
        }
    }

    // Sends requests, with a pause between, and reads no answer until it is killed; prints a line in the end.
    internal static int Deafen(string server, int count)
    {
        using Socket socket = Open("", server);
        for (int i = 0; i < count; i++)
        {
            _ = socket.Send(BitConverter.GetBytes(900));
            Thread.Sleep(1);
        }

        Console.WriteLine("deaf");
        Thread.Sleep(s_patience);
        return 0;
    }

    // Sends requests, then reads the answers: prints how many are 0.
    internal static int Pipeline(string server, int count)
    {
        using Socket socket = Open("", server);
        for (int i = 0; i < count; i++)
        {
            _ = socket.Send(BitConverter.GetBytes(900 + i));
        }

        Console.WriteLine(Enumerable.Range(0, count).Count(_ => Receive(socket) == 0));
        return 0;
    }

    // Prints how long the slowest of some requests took, in milliseconds.
    internal static int Time(string server, int count)
    {
        using Socket socket = Open("", server);
        double slowest = 0;
        for (int i = 0; i < count; i++)
        {
            long start = System.Diagnostics.Stopwatch.GetTimestamp();
            if (Ask(socket, 800) != 0)
            {
                Console.WriteLine("refused");
                return 1;
            }

            slowest = Math.Max(slowest, System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }

        Console.WriteLine($"{(int)slowest}");
        return 0;
    }

    // A server that never answers.
    internal static int Mute(string path)
    {
        using Socket socket = Open(path, null);
        Console.WriteLine("bound");
        Thread.Sleep(s_patience);
        return 0;
    }

    // Prints what a service tells its manager, a line a message, until STOPPING=1.
    internal static int Manage(string path)
    {
        using Socket socket = Open(path, null);
        Console.WriteLine("bound");
        byte[] message = new byte[4096];
        string text;
        do
        {
            text = Encoding.UTF8.GetString(message, 0, socket.Receive(message));
            Console.WriteLine(text);
        }
        while (!text.StartsWith("STOPPING=1", StringComparison.Ordinal));

        return 0;
    }

    private static Socket Open(string client, string? server)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified)
        {
            ReceiveTimeout = (int)s_patience.TotalMilliseconds,
            // Where others send all the time, the kernel may let one wait for long before the server gets to see it.
            SendTimeout = 3 * (int)s_patience.TotalMilliseconds,
        };
        if (client != "-")
        {
            string name = client == "" ? $"\0ask{Guid.NewGuid():N}" : client.StartsWith('@') ? "\0" + client[1..] : client;
            socket.Bind(new UnixDomainSocketEndPoint(name));
        }

        if (server is not null)
        {
            socket.Connect(new UnixDomainSocketEndPoint(server));
        }

        return socket;
    }

    private static int Ask(Socket socket, int pid)
    {
        _ = socket.Send(BitConverter.GetBytes(pid));
        return Receive(socket);
    }

    private static int Receive(Socket socket)
    {
        byte[] answer = new byte[16];
        int length = socket.Receive(answer);
        return length == 1 ? answer[0] : -length;
    }

    private static int Read(string path) => int.Parse(File.ReadAllText(path));

    [DllImport("libc.so.6")]
    private static extern int clone(void* function, void* stack, int flags, void* argument);

    [DllImport("libc.so.6")]
    private static extern int waitpid(int pid, int* status, int options);

    [DllImport("libc.so.6")]
    private static extern nint sendmsg(int socket, msghdr* message, int flags);

    private struct iovec
    {
        internal void* iov_base;
        internal nint iov_len;
    }

    private struct msghdr
    {
        internal void* msg_name;
        internal nint msg_namelen;
        internal iovec* msg_iov;
        internal nint msg_iovlen;
        internal void* msg_control;
        internal nint msg_controllen;
        internal int msg_flags;
    }
}

// Asks nslp's server to make PID the last one: client SOCKET PID. Exit status 0 when it is.
package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strconv"
)

func ask(server string, pid uint32) (byte, error) {
	own := &net.UnixAddr{Name: fmt.Sprintf("@nslp-client-%d", os.Getpid()), Net: "unixgram"} // abstract: no file is left
	client, err := net.DialUnix("unixgram", own, &net.UnixAddr{Name: server, Net: "unixgram"})
	if err != nil {
		return 1, err
	}
	defer client.Close()
	if err := binary.Write(client, binary.NativeEndian, pid); err != nil {
		return 1, err
	}
	answer := []byte{1}
	_, err = client.Read(answer)
	return answer[0], err
}

func main() {
	pid, err := strconv.ParseUint(os.Args[2], 10, 32)
	answer := byte(2)
	if err == nil {
		answer, err = ask(os.Args[1], uint32(pid))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(int(answer))
}

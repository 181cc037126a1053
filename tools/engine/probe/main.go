// Probe is the one program of the images that tests make: it serves, sleeps or fails, as its arguments say.
//
//	probe serve 8080    answers every request with its host name
//	probe sleep         runs until it is told to stop
//	probe stubborn      runs and does not stop when it is told to
//	probe count 5ms     counts lines that often, every third on standard error, until it is told to stop
//	probe flood         counts lines of 1 KiB as fast as they are taken
//	probe exit 3        ends at once with this code
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	verb, argument := "sleep", ""
	if len(os.Args) > 1 {
		verb = os.Args[1]
	}
	if len(os.Args) > 2 {
		argument = os.Args[2]
	}
	switch verb {
	case "exit":
		code, _ := strconv.Atoi(argument) // 0 is what no number means
		os.Exit(code)
	case "stubborn":
		fmt.Println("ready") // a signal before would end it
		for range stop {
			fmt.Println("not yet")
		}
	case "count":
		every, _ := time.ParseDuration(argument) // 0 is what no duration means
		go count(every, "")
	case "flood":
		go count(0, strings.Repeat("x", 1000))
	case "serve":
		go func() {
			fmt.Println(http.ListenAndServe(":"+argument, http.HandlerFunc(answer)))
			os.Exit(1)
		}()
	}
	<-stop
}

// count writes numbered lines.
func count(every time.Duration, rest string) {
	for n := 0; ; n++ {
		to := os.Stdout
		if n%3 == 2 {
			to = os.Stderr
		}
		fmt.Fprintf(to, "%d %s\n", n, rest)
		time.Sleep(every)
	}
}

func answer(w http.ResponseWriter, _ *http.Request) {
	name, _ := os.Hostname() // empty is an answer as well
	fmt.Fprintln(w, name)
}

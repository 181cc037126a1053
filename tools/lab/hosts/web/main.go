// Web is the service that the lab's containers run. It answers every request with the names of its host and its container, taken from
// the environment (NODE) and the host name.
//
//	GET /            who answers, after ?sleep=DURATION
//	GET /health      200, or the status last set
//	PUT /health?status=503, with &after=DURATION for slow answers
//	PUT /fill        takes all the memory it gets
//	PUT /exit?code=1 ends the program
//
// With the argument "crash" it ends at once with code 1.
package main

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "crash" {
		os.Exit(1)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	go func() {
		fmt.Println(http.ListenAndServe(":"+cmp.Or(os.Getenv("PORT"), "8080"), handler()))
		os.Exit(1)
	}()
	<-stop
}

func handler() http.Handler {
	var health, after atomic.Int64
	health.Store(http.StatusOK)
	name, _ := os.Hostname() // empty is an answer as well
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(time.Duration(after.Load()))
		w.WriteHeader(int(health.Load()))
	})
	mux.HandleFunc("PUT /health", func(w http.ResponseWriter, r *http.Request) {
		status, err := strconv.Atoi(r.FormValue("status"))
		if err != nil || status < 200 || status > 599 {
			http.Error(w, "status is a number from 200 to 599", http.StatusBadRequest)
			return
		}
		slow, _ := time.ParseDuration(r.FormValue("after")) // none is 0
		after.Store(int64(slow))
		health.Store(int64(status))
	})
	mux.HandleFunc("PUT /fill", func(http.ResponseWriter, *http.Request) {
		for held := [][]byte{}; ; {
			held = append(held, bytes.Repeat([]byte{1}, 1<<20))
		}
	})
	mux.HandleFunc("PUT /exit", func(_ http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.FormValue("code")) // 0 is what no number means
		os.Exit(code)
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		if d, err := time.ParseDuration(r.FormValue("sleep")); err == nil {
			time.Sleep(d)
		}
		fmt.Fprintln(w, os.Getenv("NODE"), name)
	})
	return mux
}

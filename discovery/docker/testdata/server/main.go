// Command server is what the tests run in containers: it answers on port 80, and takes LINGER to end when it is asked to.
// "server check" is its health check.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "check" {
		resp, err := http.Get("http://127.0.0.1:80/health")
		if err != nil || resp.StatusCode != http.StatusOK {
			os.Exit(1)
		}
		return
	}
	linger, _ := time.ParseDuration(os.Getenv("LINGER"))
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	go func() {
		<-asked
		time.Sleep(linger)
		os.Exit(0)
	}()
	var sick atomic.Bool
	http.HandleFunc("/sick", func(http.ResponseWriter, *http.Request) { sick.Store(true) })
	http.HandleFunc("/end", func(http.ResponseWriter, *http.Request) { os.Exit(3) })
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		if sick.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "here") })
	log.Fatal(http.ListenAndServe(":80", nil))
}

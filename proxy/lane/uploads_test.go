package lane_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// The member's connection is used again after an upload, whichever of the body's end and the answer is seen first.
func TestUploadsSideBySide(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if body, err := io.ReadAll(r.Body); err == nil {
				w.Write(body)
			}
		}))
		defer echo.Close()
		d := newDoor(t, engine, nil, []string{echo.Listener.Addr().String()})
		body := bytes.Repeat([]byte("c"), 100_000)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
				defer client.CloseIdleConnections()
				for range 200 {
					r, err := http.NewRequest("POST", "http://"+d.addr, io.MultiReader(bytes.NewReader(body))) // of unknown length
					if err != nil {
						t.Error(err)
						return
					}
					r.Host = domain
					resp, err := client.Do(r)
					if err != nil {
						t.Error(err)
						return
					}
					got, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					if resp.StatusCode != http.StatusOK || !bytes.Equal(got, body) || err != nil {
						t.Errorf("%s, %d bytes, %v, %s", resp.Status, len(got), err, resp.Header.Get("Fairlead-Reason"))
						return
					}
				}
			})
		}
		all.Wait()
	})
}

// Command browser opens a URL in a headless Chromium and does there what a
// person does who logs in: it gives the name and the password to a form that asks
// for a password, a device's code to one that asks for that, and confirms what is
// left to confirm. Tests give it as $BROWSER.
//
// usage: browser URL
//
// It ends when the page is one of jeton's: on the loopback, with an element that
// has the attribute data-jeton. A login for a device has no such page, and ends
// when there has been nothing left to do for three seconds. Anything else is an
// error after a minute, or as soon as a page cannot be loaded.
//
//	LOGIN_AS, LOGIN_PASSWORD  who logs in
//	LOGIN_USER_CODE           the code that a device shows
//	LOGIN_DENY=1              cancels, denies or aborts, where the page lets it
//	LOGIN_WAIT                how long to hesitate before the first form
//	LOGIN_LANG                the browser's languages, such as fr or fr-FR,fr
//	LOGIN_DARK=1              prefers dark colours
//	LOGIN_BROWSER_DIR         the browser's directory, which keeps the cookies
//	LOGIN_LOG                 a file to which a line "opened URL" is appended
//	LOGIN_SHOT, LOGIN_TEXT    files that get a picture and the text of the last page
package main

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

const (
	patience = time.Minute
	endless  = 20              // forms, which no login has
	idle     = 3 * time.Second // after which a device's login is over
	poll     = 50 * time.Millisecond
)

// person is a function of JavaScript that does the next thing to do on a page.
//
//go:embed person.js
var person string

func main() {
	log.SetFlags(0)
	log.SetPrefix("browser: ")
	if len(os.Args) != 2 {
		log.Fatal("usage: browser URL")
	}
	if err := run(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(url string) (err error) {
	stopped, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if name := os.Getenv("LOGIN_LOG"); name != "" {
		f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(f, "opened %s\n", url); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	var wait time.Duration
	if text := os.Getenv("LOGIN_WAIT"); text != "" {
		if wait, err = time.ParseDuration(text); err != nil {
			return err
		}
	}
	dir := os.Getenv("LOGIN_BROWSER_DIR")
	if dir == "" {
		if dir, err = os.MkdirTemp("", "browser-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	languages := cmp.Or(os.Getenv("LOGIN_LANG"), "en")
	language, _, _ := strings.Cut(languages, ",")
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.UserDataDir(dir),
		chromedp.Env("HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_CACHE_HOME="+dir), // not the test's own
		chromedp.NoSandbox, // which root cannot have; the pages are the tests' own
		chromedp.DisableGPU,
		chromedp.IgnoreCertErrors, // of authorities that a test makes up
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("lang", language),
		chromedp.Flag("accept-lang", languages),
	)
	ctx, cancel := chromedp.NewExecAllocator(stopped, options...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	// Only a browser that ends by itself writes its cookies down.
	defer func() {
		ending, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if failed := chromedp.Cancel(ending); err == nil {
			err = failed
		}
	}()
	colours := "light"
	if os.Getenv("LOGIN_DARK") == "1" {
		colours = "dark"
	}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(900, 600)); err != nil {
		return err
	}
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: colours}}}); err != nil {
		return err
	}
	err = login(ctx, url, wait)
	if failed := keep(ctx); err == nil {
		err = failed
	}
	return err
}

// seen is what the function says of a page.
type seen struct {
	URL    string `json:"url"`
	Failed bool   `json:"failed"` // it is Chromium's own, of an error
	Result bool   `json:"result"` // it is jeton's
	Device bool   `json:"device"` // it is about a device's code
	Busy   bool   `json:"busy"`   // there is more to come
	Form   bool   `json:"form"`   // it has a form to send, or a link to follow
	Typed  bool   `json:"typed"`  // which was sent with the device's code
}

// login opens url and goes on from page to page until there is no more to do.
func login(ctx context.Context, url string, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	opened, err := chromedp.Call(ctx, page.Navigate, page.NavigateParams{URL: url})
	if err != nil {
		return err
	}
	if opened.ErrorText != "" {
		return fmt.Errorf("%s: %s", url, opened.ErrorText)
	}
	asked := map[string]any{"as": os.Getenv("LOGIN_AS"), "password": os.Getenv("LOGIN_PASSWORD"),
		"code": os.Getenv("LOGIN_USER_CODE"), "deny": os.Getenv("LOGIN_DENY") == "1"}
	device := os.Getenv("LOGIN_USER_CODE") != ""
	last, forms := "", 0
	for since := time.Now(); ; {
		asked["press"] = wait == 0 && forms < endless
		words, err := json.Marshal(asked)
		if err != nil {
			return err
		}
		// A page that goes away in the meantime is no error; the next has its turn.
		found, err := chromedp.Run(ctx, chromedp.Evaluate[seen]("("+person+")("+string(words)+")"))
		switch {
		case ctx.Err() == context.Canceled:
			return errors.New("stopped")
		case ctx.Err() != nil:
			return fmt.Errorf("no result page after %v; the last page was %s", patience, last)
		case err != nil:
			since = time.Now()
		case found.Failed:
			return fmt.Errorf("a page after %s could not be loaded", cmp.Or(last, url))
		case found.Result:
			return nil
		default:
			last = found.URL
			device = device || found.Device
			if found.Typed {
				asked["typed"] = true // a wrong code does not become right
			}
			if found.Busy {
				since = time.Now()
				if found.Form && forms == endless {
					return fmt.Errorf("there is no end of forms; the last page was %s", last)
				}
				if found.Form && wait > 0 {
					sleep(ctx, wait)
					wait = 0
					continue
				}
				if found.Form {
					forms++
				}
			}
			if device && time.Since(since) > idle {
				return nil
			}
		}
		sleep(ctx, poll)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// keep writes the picture and the text of the page, each at once, so that who
// waits for a file does not read half of it.
func keep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if name := os.Getenv("LOGIN_SHOT"); name != "" {
		picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		if err != nil {
			return err
		}
		if err := write(name, picture); err != nil {
			return err
		}
	}
	if name := os.Getenv("LOGIN_TEXT"); name != "" {
		text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
		if err != nil {
			return err
		}
		return write(name, []byte(text))
	}
	return nil
}

func write(name string, content []byte) error {
	if err := os.WriteFile(name+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

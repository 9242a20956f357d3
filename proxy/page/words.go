package page

import (
	"fmt"
	"net/http"
	"time"
)

// words are everything a page says, in one language.
type words struct {
	tag       string // BCP 47
	CodeLabel string // before the incident code
	CodeHelp  string // what the code is for
	AskLabel  string // before the contact
	statuses  map[int]saying
	refused   saying // any other 4xx
	failed    saying // any other 5xx
	network   saying // nothing is taken from the network
	shown     saying // no good certificate was shown where one is asked for
	seconds   string // with %d
	minutes   string // with %d
}

// saying is a title, what happened, and what the visitor can do.
type saying struct{ title, text, advice string }

// of is what is said of f.
func (w *words) of(f Refusal) saying {
	if f.Certificate {
		return w.shown
	}
	if f.Network {
		return w.network
	}
	return w.say(f.Status)
}

func (w *words) say(status int) saying {
	if s, ok := w.statuses[status]; ok {
		return s
	}
	if status >= http.StatusInternalServerError {
		return w.failed
	}
	return w.refused
}

func (w *words) wait(d time.Duration) string {
	if d <= 90*time.Second {
		return fmt.Sprintf(w.seconds, int64((d+time.Second-1)/time.Second))
	}
	return fmt.Sprintf(w.minutes, int64((d+time.Minute-1)/time.Minute))
}

// Tag returns the language tag for the page's lang attribute.
func (w words) Tag() string { return w.tag }

var english = words{
	tag:       "en",
	CodeLabel: "Incident code",
	CodeHelp:  "The owner of the site can look up what happened with this code.",
	AskLabel:  "Contact",
	seconds:   "You can try again in about %d s.",
	minutes:   "You can try again in about %d min.",
	refused: saying{"This request was not accepted",
		"The site did not accept what your browser sent.",
		"Go back and try again. If it happens again, tell the owner of the site."},
	failed: saying{"The site is not available",
		"Something went wrong on the site’s side. It is not your fault.",
		"Try again in a few minutes."},
	shown: saying{"This part of the site asks for a certificate",
		"It is open to people whose browser shows the certificate that the owner of the site gave them. Yours showed none, or one that is not good any more.",
		"If you have one, install it in this browser, close all its windows and open this page again: the browser asks which one to show only when it connects anew."},
	network: saying{"Nothing is taken from your network right now",
		"Attacks on websites came from your internet address, or from one beside it, so this site does not answer it for a while. It may have been another device that shares the address with you.",
		"Try again in a quarter of an hour, or over another connection, such as mobile data. If it stays so, tell the owner of the site and give the code below."},
	statuses: map[int]saying{
		400: {"This request could not be read",
			"What your browser sent is incomplete, or can be read in more than one way, so it was not passed on to the site.",
			"Go back, reload the page and try again. If you use a proxy or an unusual browser, try without it."},
		403: {"This request was stopped",
			"Something in it looked like an attempt to harm this site, so it was not let through. This can happen by mistake, for example when a text contains a piece of code.",
			"If you did nothing unusual, tell the owner of the site and give the code below. Changing the text a little may also help."},
		405: {"This request is not supported",
			"The site does not offer what your browser asked for.",
			"Go back and choose another way."},
		408: {"The request took too long",
			"Your browser stopped sending, or sent too slowly.",
			"Check your connection and try again."},
		413: {"This is too large",
			"What you are sending is larger than the site accepts.",
			"Send a smaller file, or send several files one by one."},
		414: {"This address is too long",
			"The address your browser asked for is longer than the site accepts.",
			"Open the site’s front page and find the way from there."},
		415: {"This format is not accepted",
			"What you are sending is in a form the site does not take.",
			"Send it in another format."},
		416: {"This part cannot be sent",
			"Your program asked for pieces of a file the site does not send that way.",
			"Download the whole file."},
		421: {"No such site here",
			"This server does not serve the site you asked for.",
			"Check the address. If it is right, the site may just be moving: try again later."},
		429: {"Too many requests",
			"Very many requests came from your address in a short time, so the site is making a pause.",
			"Wait a little, then reload the page."},
		431: {"Your browser sent too much",
			"The headers or cookies your browser sent are larger than the site accepts.",
			"Delete the cookies of this site and try again."},
		502: {"The site does not answer",
			"The server behind this site gave no proper answer. It is not your fault.",
			"Try again in a few minutes."},
		503: {"The site is not available right now",
			"Your request could not be checked or handled just now. It is not your fault.",
			"Try again in a few minutes."},
		504: {"The site takes too long",
			"The server behind this site did not answer in time. It is not your fault.",
			"Try again in a few minutes. If you were sending something, first check whether it arrived."},
	},
}

var russian = words{
	tag:       "ru",
	CodeLabel: "Код происшествия",
	CodeHelp:  "По этому коду владелец сайта увидит, что произошло.",
	AskLabel:  "Связаться",
	seconds:   "Повторить можно примерно через %d с.",
	minutes:   "Повторить можно примерно через %d мин.",
	refused: saying{"Запрос не принят",
		"Сайт не принял то, что отправил ваш браузер.",
		"Вернитесь назад и попробуйте ещё раз. Если это повторится, сообщите владельцу сайта."},
	failed: saying{"Сайт недоступен",
		"На стороне сайта что-то пошло не так. Вы здесь ни при чём.",
		"Попробуйте ещё раз через несколько минут."},
	shown: saying{"Эта часть сайта открывается по сертификату",
		"Она открыта тем, чей браузер предъявляет сертификат, выданный владельцем сайта. Ваш не предъявил его или предъявил уже недействительный.",
		"Если сертификат у вас есть, установите его в этом браузере, закройте все его окна и откройте страницу снова: браузер спрашивает, что предъявить, только при новом соединении."},
	network: saying{"Из вашей сети сейчас ничего не принимается",
		"С вашего интернет-адреса или с соседнего шли атаки на сайты, поэтому сайт какое-то время на него не отвечает. Возможно, это было другое устройство с тем же адресом.",
		"Попробуйте через четверть часа или через другое подключение, например мобильный интернет. Если не поможет, сообщите владельцу сайта и назовите код ниже."},
	statuses: map[int]saying{
		400: {"Запрос не удалось прочитать",
			"То, что отправил ваш браузер, неполно или допускает разное прочтение, поэтому сайту это не передано.",
			"Вернитесь назад, обновите страницу и попробуйте снова. Если вы пользуетесь прокси или необычным браузером, попробуйте без них."},
		403: {"Запрос остановлен",
			"Что-то в нём похоже на попытку навредить сайту, поэтому он не пропущен. Так бывает и по ошибке, например если в тексте есть фрагмент кода.",
			"Если вы не делали ничего необычного, сообщите владельцу сайта и назовите код ниже. Иногда помогает немного изменить текст."},
		405: {"Такой запрос не поддерживается",
			"Сайт не предоставляет того, о чём попросил ваш браузер.",
			"Вернитесь назад и выберите другой путь."},
		408: {"Запрос шёл слишком долго",
			"Браузер перестал отправлять данные или отправлял их слишком медленно.",
			"Проверьте соединение и попробуйте ещё раз."},
		413: {"Слишком большой объём",
			"Вы отправляете больше, чем принимает сайт.",
			"Отправьте файл поменьше или несколько файлов по одному."},
		414: {"Слишком длинный адрес",
			"Запрошенный адрес длиннее, чем принимает сайт.",
			"Откройте главную страницу сайта и перейдите оттуда."},
		415: {"Формат не принимается",
			"Сайт не принимает данные в таком виде.",
			"Отправьте их в другом формате."},
		416: {"Эту часть нельзя отправить",
			"Программа запросила файл такими частями, какими сайт его не отдаёт.",
			"Скачайте файл целиком."},
		421: {"Здесь нет такого сайта",
			"Этот сервер не обслуживает сайт, который вы запросили.",
			"Проверьте адрес. Если он верен, возможно, сайт переезжает: зайдите позже."},
		429: {"Слишком много запросов",
			"С вашего адреса за короткое время пришло очень много запросов, поэтому сайт взял паузу.",
			"Немного подождите и обновите страницу."},
		431: {"Браузер отправил слишком много",
			"Заголовки или файлы cookie, которые отправил браузер, больше, чем принимает сайт.",
			"Удалите файлы cookie этого сайта и попробуйте снова."},
		502: {"Сайт не отвечает",
			"Сервер, на котором работает сайт, не дал правильного ответа. Вы здесь ни при чём.",
			"Попробуйте ещё раз через несколько минут."},
		503: {"Сайт сейчас недоступен",
			"Ваш запрос сейчас не удалось проверить или обработать. Вы здесь ни при чём.",
			"Попробуйте ещё раз через несколько минут."},
		504: {"Сайт отвечает слишком долго",
			"Сервер, на котором работает сайт, не ответил вовремя. Вы здесь ни при чём.",
			"Попробуйте через несколько минут. Если вы что-то отправляли, сначала проверьте, не дошло ли оно."},
	},
}

var kazakh = words{
	tag:       "kk",
	CodeLabel: "Оқиға коды",
	CodeHelp:  "Сайт иесі осы код арқылы не болғанын көре алады.",
	AskLabel:  "Байланыс",
	seconds:   "Шамамен %d секундтан кейін қайталауға болады.",
	minutes:   "Шамамен %d минуттан кейін қайталауға болады.",
	refused: saying{"Сұрау қабылданбады",
		"Сайт браузеріңіз жіберген деректі қабылдамады.",
		"Артқа қайтып, қайта көріңіз. Қайталанса, сайт иесіне хабарлаңыз."},
	failed: saying{"Сайт қолжетімсіз",
		"Сайт жағында ақау шықты. Бұл сіздің кінәңіз емес.",
		"Бірнеше минуттан кейін қайта көріңіз."},
	shown: saying{"Сайттың бұл бөлігі сертификатпен ашылады",
		"Ол браузері сайт иесі берген сертификатты көрсеткен адамдарға ашық. Сіздікі оны көрсетпеді немесе жарамсыз болып қалғанын көрсетті.",
		"Сертификатыңыз болса, оны осы браузерге орнатып, барлық терезесін жауып, бетті қайта ашыңыз: браузер қайсысын көрсетуді тек жаңадан қосылғанда сұрайды."},
	network: saying{"Қазір сіздің желіңізден ештеңе қабылданбайды",
		"Сіздің интернет-мекенжайыңыздан немесе көршілес мекенжайдан сайттарға шабуыл жасалды, сондықтан сайт оған біраз уақыт жауап бермейді. Бұл мекенжайы сізбен ортақ басқа құрылғы болуы мүмкін.",
		"Ширек сағаттан кейін немесе басқа байланыс арқылы, мысалы мобильді интернетпен қайта көріңіз. Өзгермесе, сайт иесіне хабарлап, төмендегі кодты айтыңыз."},
	statuses: map[int]saying{
		400: {"Сұрауды оқу мүмкін болмады",
			"Браузеріңіз жіберген дерек толық емес немесе оны әртүрлі оқуға болады, сондықтан ол сайтқа берілмеді.",
			"Артқа қайтып, бетті жаңартып, қайта көріңіз. Прокси немесе сирек кездесетін браузер қолдансаңыз, оларсыз көріңіз."},
		403: {"Сұрау тоқтатылды",
			"Ондағы бірдеңе сайтқа зиян келтіру әрекетіне ұқсайды, сондықтан ол өткізілмеді. Бұл қателесіп те болады, мысалы мәтінде код үзіндісі болса.",
			"Ерекше ештеңе жасамаған болсаңыз, сайт иесіне хабарлап, төмендегі кодты айтыңыз. Мәтінді сәл өзгерту де көмектесуі мүмкін."},
		405: {"Мұндай сұрау қолданылмайды",
			"Браузеріңіз сұраған әрекетті сайт ұсынбайды.",
			"Артқа қайтып, басқа жолды таңдаңыз."},
		408: {"Сұрау тым ұзаққа созылды",
			"Браузер деректі жіберуді тоқтатты немесе тым баяу жіберді.",
			"Байланысты тексеріп, қайта көріңіз."},
		413: {"Көлемі тым үлкен",
			"Сіз жіберіп жатқан дерек сайт қабылдайтын көлемнен үлкен.",
			"Кішірек файл жіберіңіз немесе бірнеше файлды бір-бірлеп жіберіңіз."},
		414: {"Мекенжай тым ұзын",
			"Сұралған мекенжай сайт қабылдайтын ұзындықтан асады.",
			"Сайттың басты бетін ашып, сол жерден өтіңіз."},
		415: {"Пішім қабылданбайды",
			"Сайт деректі мұндай түрде қабылдамайды.",
			"Оны басқа пішімде жіберіңіз."},
		416: {"Бұл бөлікті жіберу мүмкін емес",
			"Бағдарлама файлды сайт бермейтін бөліктермен сұрады.",
			"Файлды толық жүктеп алыңыз."},
		421: {"Мұнда ондай сайт жоқ",
			"Бұл сервер сіз сұраған сайтқа қызмет көрсетпейді.",
			"Мекенжайды тексеріңіз. Ол дұрыс болса, сайт көшіп жатқан болар: кейінірек кіріп көріңіз."},
		429: {"Сұрау тым көп",
			"Сіздің мекенжайыңыздан қысқа уақытта өте көп сұрау келді, сондықтан сайт үзіліс жасады.",
			"Сәл күтіп, бетті жаңартыңыз."},
		431: {"Браузер тым көп дерек жіберді",
			"Браузер жіберген тақырыптар немесе cookie файлдары сайт қабылдайтын көлемнен үлкен.",
			"Осы сайттың cookie файлдарын өшіріп, қайта көріңіз."},
		502: {"Сайт жауап бермейді",
			"Сайт жұмыс істейтін сервер дұрыс жауап бермеді. Бұл сіздің кінәңіз емес.",
			"Бірнеше минуттан кейін қайта көріңіз."},
		503: {"Сайт қазір қолжетімсіз",
			"Сұрауыңызды қазір тексеру немесе өңдеу мүмкін болмады. Бұл сіздің кінәңіз емес.",
			"Бірнеше минуттан кейін қайта көріңіз."},
		504: {"Сайт тым баяу жауап береді",
			"Сайт жұмыс істейтін сервер уақытында жауап бермеді. Бұл сіздің кінәңіз емес.",
			"Бірнеше минуттан кейін көріңіз. Бірдеңе жіберіп жатсаңыз, алдымен оның жеткен-жетпегенін тексеріңіз."},
	},
}
